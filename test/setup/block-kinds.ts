import { spawnSync } from 'node:child_process'
import { stripTypeScriptTypes } from 'node:module'
import { isMap, parseAllDocuments, parseDocument } from 'yaml'
import { renderDiagram } from '../../docs/.vitepress/mermaid.ts'
import { isMissing } from './needs.ts'
import type { Block } from './pages.ts'

type Check = (code: string) => unknown

/** Kinds of blocks that pages may have, by their info string, and how each is checked. Programs and commands are run elsewhere. */
const kinds: Readonly<Record<string, Check>> = {
  // Run by docs.test.ts.
  'ts run': () => {},
  // Commands; those of whole walks are run in their order.
  bash: (code) => checkSyntax('bash', ['-n'], code),
  // Commands for a machine that the tests do not have, such as one with Docker.
  sh: (code) => checkSyntax('sh', ['-n'], code),
  // What the commands before it printed.
  '': () => {},
  // JSON that was answered or logged, a value in each line or one in all of them.
  json: (code) => {
    try {
      JSON.parse(code)
    } catch {
      for (const line of code.trim().split('\n')) JSON.parse(line)
    }
  },
  mermaid: renderDiagram,
}

/** Files that a reader saves, `LANGUAGE file=NAME`, by their language. */
const files: Readonly<Record<string, Check>> = {
  yaml: (code) => {
    const [problem] = parseAllDocuments(code).flatMap(({ errors }) => errors)
    if (problem) throw problem
    if (!isMap(parseDocument(code).contents)) throw new Error('Expected a file of names and values')
  },
  json: (code) => JSON.parse(code),
  sh: (code) => checkSyntax('sh', ['-n'], code),
  // Read, and nothing of it is run.
  r: (code) => checkSyntax('Rscript', ['-e', 'invisible(parse(file("stdin")))'], code),
  python: (code) =>
    checkSyntax('python3', ['-c', 'import ast, sys; ast.parse(sys.stdin.read())'], code),
  ts: (code) => stripTypeScriptTypes(code),
  dockerfile: (code) => assertLine(code, /^FROM \S/m),
  ini: (code) => assertLine(code, /^\[[^\]]+\]$/m),
  nginx: (code) => assertLine(code, /^\w[^{]*\{\n(?:.*;.*\n)+\}/m),
  csv: (code) => assertLine(code, /^[^,\n]+(,[^,\n]+)+\n/),
}

/** The name of the file that a block is; null for those that are none. */
export function fileOf(info: string): string | null {
  return /^\w+ file=(\S+)$/.exec(info)?.[1] ?? null
}

/** Rejects when nobody knows what a block is, or when it is not what it says. */
export async function checkBlock({ info, code }: Block): Promise<void> {
  const check = fileOf(info) === null ? kinds[info] : files[info.split(' ')[0] ?? '']
  if (!check) {
    const known = [
      ...Object.keys(kinds).map((kind) => kind || 'nothing (printed)'),
      ...Object.keys(files).map((kind) => `${kind} file=NAME`),
    ]
    throw new Error(`Expected one of ${known.join(', ')}`)
  }
  await check(code)
}

function checkSyntax(program: 'bash' | 'sh' | 'Rscript' | 'python3', args: string[], code: string) {
  // Like the tests that run it, left out where it is missing.
  if (program !== 'sh' && isMissing(program)) return
  const { status, stderr } = spawnSync(program, args, { input: code, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

function assertLine(code: string, pattern: RegExp) {
  if (!pattern.test(code)) throw new Error(`Expected ${pattern}, got:\n${code}`)
}
