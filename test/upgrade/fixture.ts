import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Story } from './story.ts'

/** Archives of data folders as released versions left them, with the answers that they gave. */
const folder = join(import.meta.dirname, 'fixtures')

export const chapters = ['functions', 'killed', 'shell'] as const
export type Stories = Record<(typeof chapters)[number], Story>

export const fixtureFile = (version: string) => join(folder, `${version}.tar.gz`)

/** The versions of which there is a fixture. */
export const fixtureVersions = (): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.tar.gz'))
    .map((name) => name.replace(/\.tar\.gz$/, ''))

export function pack(from: string, version: string): void {
  tar(['-czf', fixtureFile(version), '-C', from, '.'])
}

/** Unpacks the fixture of a version into a folder, and answers what is told of it. */
export function unpack(version: string, into: string): Stories {
  tar(['-xzf', fixtureFile(version), '-C', into])
  return JSON.parse(readFileSync(join(into, 'stories.json'), 'utf8'))
}

function tar(args: string[]) {
  const { status, stderr } = spawnSync('tar', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`tar ${args.join(' ')} failed: ${stderr}`)
}
