import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServiceName } from './client.ts'
import type { Story } from './story.ts'

/** Archives of data folders as released versions left them, with the answers that they gave. */
const folder = join(import.meta.dirname, 'fixtures')

/** The data folders of a fixture, with the service that wrote each. Fixtures of early versions have the first ones only. */
export const chapters = {
  functions: 'functions',
  killed: 'functions',
  shell: 'shell',
  tasks: 'tasks',
  'tasks-killed': 'tasks',
} as const satisfies Record<string, ServiceName>
export type Chapter = keyof typeof chapters
export type Stories = Partial<Record<Chapter, Story>>

export const fixtureFile = (version: string) => join(folder, `${version}.tar.gz`)

/** The versions of which there is a fixture. */
export const fixtureVersions = (): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.tar.gz'))
    .map((name) => name.replace(/\.tar\.gz$/, ''))

export function pack(from: string, version: string): void {
  tar(['-czf', fixtureFile(version), '-C', from, '.'])
}

/** The chapters that the fixture of a version has. */
export function chaptersOf(version: string): Chapter[] {
  const names = new Set(tar(['-tzf', fixtureFile(version)]).split('\n'))
  return (Object.keys(chapters) as Chapter[]).filter((chapter) => names.has(`./${chapter}/`))
}

/** Unpacks the fixture of a version into a folder, and answers what is told of it. */
export function unpack(version: string, into: string): Stories {
  tar(['-xzf', fixtureFile(version), '-C', into])
  return JSON.parse(readFileSync(join(into, 'stories.json'), 'utf8'))
}

function tar(args: string[]): string {
  const { status, stdout, stderr } = spawnSync('tar', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`tar ${args.join(' ')} failed: ${stderr}`)
  return stdout
}
