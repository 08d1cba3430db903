import { spawn } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { numpyPath } from './needs.ts'

const root = join(import.meta.dirname, '../..')

export interface Block {
  /** What stands behind the fence: a language and words. */
  info: string
  code: string
}

/** The fenced blocks of a page, in their order. */
export function blocksOf(page: string): Block[] {
  const text = readFileSync(join(root, page), 'utf8')
  return [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map(([, info = '', code = '']) => ({
    ...{ info, code },
  }))
}

/** The pages that people have written: those of the site that are made from the sources are not among them. */
export function sitePages(): string[] {
  return globSync(['docs/*.md', 'docs/*/*.md'], {
    cwd: root,
    exclude: ['docs/api/*', 'docs/node_modules/*'],
  }).sort()
}

/** Runs commands as a reader would who stands in the folder of the repository; what they write goes elsewhere. */
export function runCommands(script: string) {
  const cwd = mkdtempSync(join(tmpdir(), 'chapkit-commands-'))
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }))
  for (const name of ['docs', 'examples']) symlinkSync(join(root, name), join(cwd, name))
  const env = { ...process.env, PATH: numpyPath }
  return new Promise<{ stdout: string; stderr: string; status: number | null }>((resolve) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd, env })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    child.on('close', (status) => resolve({ stdout, stderr, status }))
  })
}

/**
 * What is printed, without what differs from run to run and from one version of R to the next: ids, times, and numbers, but not
 * those that stand alone, such as statuses and counts of lines.
 */
export function shapeOf(printed: string): string[] {
  return printed
    .trimEnd()
    .split('\n')
    .map((line) =>
      /^\d+$/.test(line)
        ? line
        : line
            .replace(/\b(?!01K72P5N5KCRM6MD3BRE4P0778)[0-7][0-9A-HJKMNP-TV-Z]{25}\b/g, '<id>')
            .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
            .replace(/(?<![\w-])-?\d+(\.\d+)?(?![\w-])/g, '<number>'),
    )
}
