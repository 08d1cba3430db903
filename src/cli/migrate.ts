import { randomBytes } from 'node:crypto'
import { link, lstat, mkdir, open, rename, rm, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MlProjectError } from '../mlproject/commands.ts'
import type { Migration } from '../mlproject/migration.ts'

/**
 * Does what a migration plans, all of it or nothing: files are written under other names first, then files are moved and the
 * new ones get their names, and what was done is undone when a step fails. Nothing is ever overwritten.
 */
export async function applyMigration(folder: string, { writes, moves }: Migration): Promise<void> {
  const staging = join(folder, `.chapkit-migrate-${randomBytes(4).toString('hex')}`)
  const undo: (() => Promise<unknown>)[] = []
  try {
    await mkdir(staging)
    undo.push(() => rm(staging, { recursive: true, force: true }))
    for (const [index, { text }] of writes.entries()) await store(join(staging, `${index}`), text)

    for (const { from, to } of moves) {
      const target = join(folder, to)
      const created = await mkdir(dirname(target), { recursive: true })
      if (created !== undefined) undo.push(() => rm(created, { recursive: true }))
      if (await isThere(target)) throw new MlProjectError([`${to} is there already`])
      await rename(join(folder, from), target)
      undo.push(() => rename(target, join(folder, from)))
    }
    for (const [index, { path }] of writes.entries()) {
      const target = join(folder, path)
      const created = await mkdir(dirname(target), { recursive: true })
      if (created !== undefined) undo.push(() => rm(created, { recursive: true }))
      // Unlike a rename, a link does not take the place of what is there.
      await link(join(staging, `${index}`), target)
      undo.push(() => unlink(target))
    }
  } catch (error) {
    for (const step of undo.reverse()) await step()
    throw toReason(error, folder)
  }
  await rm(staging, { recursive: true, force: true })
}

async function store(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx')
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

function toReason(error: unknown, folder: string): unknown {
  const { code, path, dest } = error as NodeJS.ErrnoException & { dest?: string }
  if (code === undefined) return error
  const name = (dest ?? path ?? folder).replace(`${folder}/`, '')
  return new MlProjectError([`${name}: ${code}; nothing was changed`])
}
