import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { CommandError, exit } from '../exit.ts'
import type { ProjectFiles } from './plan.ts'

/** Throws when a project cannot be made in a folder: it is there and not empty, or where it belongs is no folder. */
export function assertFree(target: string, shown: string): void {
  const found = statSync(target, { throwIfNoEntry: false })
  if (found && !found.isDirectory())
    throw new CommandError(`${shown} is a file; choose another name`, exit.usage)
  if (found && readdirSync(target).length > 0)
    throw new CommandError(`${shown} is not empty; choose another name, or empty it`, exit.usage)
  const parent = statSync(dirname(target), { throwIfNoEntry: false })
  if (!parent?.isDirectory())
    throw new CommandError(`There is no folder ${dirname(target)}; make it first`, exit.usage)
}

/**
 * Writes a project, the whole of it or nothing: into a folder beside, which gets its name when it is complete. It takes some
 * milliseconds, in which Ctrl-C has to wait.
 */
export function writeProject(target: string, files: ProjectFiles, shown: string): void {
  const parent = dirname(resolve(target))
  const staging = join(parent, `.chapkit-init-${randomBytes(4).toString('hex')}`)
  const hold = () => {}
  for (const signal of signals) process.on(signal, hold)
  try {
    for (const [path, text] of files) {
      const file = join(staging, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text, { flag: 'wx' })
    }
    place(staging, target)
  } catch (error) {
    throw toReason(error, shown)
  } finally {
    rmSync(staging, { recursive: true, force: true })
    for (const signal of signals) process.off(signal, hold)
  }
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** An empty folder that is there stays the same one: a shell may stand in it. */
function place(staging: string, target: string) {
  if (!statSync(target, { throwIfNoEntry: false })) return renameSync(staging, target)
  const names = readdirSync(staging)
  const moved: string[] = []
  try {
    for (const name of names) {
      renameSync(join(staging, name), join(target, name))
      moved.push(name)
    }
  } catch (error) {
    for (const name of moved) rmSync(join(target, name), { recursive: true, force: true })
    throw error
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this user is used up',
  ENOTEMPTY: 'somebody else has put something there',
  ENAMETOOLONG: 'its path is too long',
}

function toReason(error: unknown, shown: string): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === undefined) return error
  const reason = reasons[code] ?? code
  return new CommandError(`${shown} cannot be made: ${reason}. Nothing was written`, exit.failed, {
    cause: error,
  })
}
