import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { printable } from '../../kernel/printable.ts'
import { decodeText } from '../../kernel/text.ts'
import { MlProjectError } from '../../mlproject/commands.ts'
import { isTelling } from '../../mlproject/environment.ts'
import {
  type Migration,
  oldFolder,
  planMigration,
  workflowPath,
} from '../../mlproject/migration.ts'
import { version } from '../../version.ts'
import { readWorkflow } from '../init/plan.ts'
import { applyMigration } from '../migrate.ts'
import { failed, findProject } from '../mlproject.ts'
import { print, say, screen } from '../print.ts'

export interface MigrateOptions {
  param?: Readonly<Record<string, string>>
  baseImage?: string
  dryRun?: boolean
  yes?: boolean
}

/** Asks a question of yes or no; null where nobody can answer. */
export type Confirm = ((question: string) => Promise<boolean>) | null

/** Writes a service from an MLproject, in its folder. Answers the exit code. */
export async function migrate(
  path: string,
  options: MigrateOptions,
  confirm: Confirm = process.stdin.isTTY ? askOnTerminal : null,
): Promise<number> {
  const { param = {}, baseImage = null, dryRun = false, yes = false } = options
  try {
    const found = findProject(path, { params: param, as: 'placeholders' })
    const { folder, file, project, commands, warnings } = found
    const names = new Set(readdirSync(folder))
    const files = readFiles(folder)
    const plan = planMigration({
      ...{ project, commands, file, names, files, baseImage, version },
      workflow: readWorkflow(),
    })
    for (const warning of warnings) say(`chapkit: warning: ${warning}`)
    for (const note of plan.notes) say(`chapkit: warning: ${note}`)
    print(describe(plan, dryRun))
    if (dryRun) return 0
    if (!yes) {
      if (confirm === null) {
        say('chapkit: There is no terminal to ask on: add --yes, or --dry-run to see more')
        return 1
      }
      if (!(await confirm(`Change ${folder}? [y/N] `))) {
        say('chapkit: Nothing was changed')
        return 1
      }
    }
    await applyMigration(folder, plan)
    print(`Done. CHAPKIT.md says how to go on; ${oldFolder}/ has what was moved.`)
    return 0
  } catch (error) {
    return failed(error)
  }
}

function describe({ writes, moves, kept }: Migration, whole: boolean): string {
  const lines = [
    ...writes.map(({ path }) => `write  ${path}`),
    ...moves.map(({ from, to }) => `move   ${from} to ${to}`),
    ...kept.map((path) => `keep   ${path}`),
  ]
  const texts = writes.map(({ path, text }) => `\n--- ${path}\n${text.trimEnd()}`)
  return [...lines, ...(whole ? texts : [])].join('\n')
}

async function askOnTerminal(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: screen.stream() })
  const ended = new Promise<string>((done) => terminal.on('close', () => done('')))
  const answer = await Promise.race([terminal.question(printable(question)), ended])
  terminal.close()
  return /^y(es)?$/i.test(answer.trim())
}

/** Larger than any script. */
const maximumBytes = 4 * 1024 * 1024
/** More folders below each other than anybody needs. */
const maximumDepth = 4
const skipped = /^(\.git|\.venv|venv|renv|node_modules|_old|__pycache__)$/

/** Texts of the files that say what the project needs, and of those on top that a migration may meet. */
function readFiles(folder: string): Map<string, string> {
  const files = new Map<string, string>()
  const walk = (below: string, depth: number) => {
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.isDirectory()) {
        if (depth < maximumDepth && !skipped.test(entry.name)) walk(path, depth + 1)
      } else if (isTelling(path) || onTop.has(path)) {
        // A link to a file is read like one; one that leads nowhere is not.
        const found = statSync(join(folder, path), { throwIfNoEntry: false })
        if (found?.isFile() && found.size <= maximumBytes)
          files.set(path, readText(join(folder, path), path))
      }
    }
  }
  walk('', 0)
  return files
}

/** A file that may be written anew has to be understood; of scripts only the names of packages are, which are ASCII. */
function readText(file: string, path: string): string {
  const bytes = readFileSync(file)
  const decoded = decodeText(bytes)
  if ('text' in decoded) return decoded.text
  if (onTop.has(path)) throw new MlProjectError([`${path} ${decoded.problem}`])
  return bytes.toString('latin1')
}

const onTop = new Set([
  'service.ts',
  'package.json',
  'tsconfig.json',
  'Dockerfile',
  'compose.yml',
  'CHAPKIT.md',
  '.gitignore',
  '.dockerignore',
  '.chapkitignore',
  workflowPath,
])
