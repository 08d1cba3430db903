import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { decodeText } from '../kernel/text.ts'
import {
  type CommandOptions,
  MlProjectError,
  type ServiceCommands,
  toServiceCommands,
} from '../mlproject/commands.ts'
import { fileNames, type MlProject, readProject } from '../mlproject/project.ts'
import type { Finding } from '../mlproject/reader.ts'
import { say } from './print.ts'

/** A project as it is found in a folder. */
export interface FoundProject {
  folder: string
  /** Name of its MLproject file. */
  file: string
  project: MlProject
  commands: ServiceCommands
  /** Lines to tell. */
  warnings: string[]
}

/** Larger than what anybody writes by hand. */
const maximumBytes = 1024 * 1024

/** Finds and reads a project: its folder, or its file. Throws a `MlProjectError` with everything that is wrong. */
export function findProject(path: string, options: CommandOptions): FoundProject {
  const { folder, file } = findFile(path)
  const { project, problems, warnings } = readProject(readText(join(folder, file), file))
  if (project === null) throw new MlProjectError(problems.map((problem) => toLine(file, problem)))
  const commands = toServiceCommands(project, options)
  return {
    ...{ folder, file, project, commands },
    warnings: [
      ...warnings.map((warning) => toLine(file, warning)),
      ...commands.warnings.map((warning) => `${file}: ${warning}`),
    ],
  }
}

/** The MLproject file that a path names, or that is in the folder that it names. */
function findFile(path: string): { folder: string; file: string } {
  const target = resolve(path)
  const stat = statSync(target, { throwIfNoEntry: false })
  if (!stat) throw new MlProjectError([`There is no file and no folder ${path}`])
  if (!stat.isDirectory()) return { folder: dirname(target), file: basename(target) }
  const there = readdirSync(target)
  const file = fileNames.find((name) => there.includes(name))
  if (file !== undefined) return { folder: target, file }
  const [first, ...others] = fileNames
  throw new MlProjectError([`There is no ${first} (nor ${others.join(', ')}) in ${path}`])
}

function readText(path: string, name: string): string {
  if (!statSync(path).isFile()) throw new MlProjectError([`${name} is not a file`])
  if (statSync(path).size > maximumBytes)
    throw new MlProjectError([`${name} has more than ${maximumBytes} bytes`])
  const decoded = decodeText(readFileSync(path))
  if ('problem' in decoded) throw new MlProjectError([`${name} ${decoded.problem}`])
  return decoded.text
}

function toLine(file: string, { line, path, text }: Finding): string {
  return `${file}:${line}: ${path === '' ? '' : `${path}: `}${text}`
}

/** Prints why a project cannot be used. Answers the exit code. */
export function failed(error: unknown): number {
  const reasons =
    error instanceof MlProjectError
      ? error.reasons
      : [error instanceof Error ? error.message : String(error)]
  for (const reason of reasons) say(`chapkit: ${reason}`)
  return 1
}
