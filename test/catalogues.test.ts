import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { exitCatalogue } from '../src/cli/exit.ts'
import { errorCatalogue } from '../src/errors.ts'
import { families } from '../src/monitor/schema.ts'
import { permissionCatalogue } from '../src/permissions.ts'
import { environmentNames } from '../src/settings.ts'
import { version } from '../src/version.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** What stands as code in the first cell of each row of the tables of a page. */
function firstCells(page: string): string[] {
  return [...read(page).matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name!)
}

test('docs/reference/errors.md lists exactly the errors that exist, with their status', () => {
  const page = read('docs/reference/errors.md')
  const sections = [...page.matchAll(/^## `([^`]+)`\n\nStatus (\d+)\./gm)]

  expect(sections.map(([, code, status]) => [code, Number(status)])).toEqual(
    Object.entries(errorCatalogue).map(([code, { status }]) => [code, status]),
  )
})

test('docs/reference/permissions.md lists exactly the permissions that exist', () => {
  expect(firstCells('docs/reference/permissions.md')).toEqual(Object.keys(permissionCatalogue))
})

test('docs/reference/settings.md lists exactly the variables that are read', () => {
  expect(firstCells('docs/reference/settings.md')).toEqual(environmentNames)
})

test('docs/reference/metrics.md lists exactly the metrics that exist, with type and labels', () => {
  const rows = [
    ...read('docs/reference/metrics.md').matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]*) \|/gm),
  ]

  expect(rows.map(([, name, type, labels]) => [name, type, labels!.trim()])).toEqual(
    Object.entries(families).map(([name, { type, labels }]) => [
      name,
      type,
      labels.map((label) => `\`${label}\``).join(', '),
    ]),
  )
})

test('docs/reference/log-events.md lists exactly the events that are logged', () => {
  const sources = globSync('src/**/*.ts', { cwd: root }).filter(
    (file) => !/\.test(-d)?\.ts$|fixtures|^src\/cli/.test(file),
  )
  const logged = sources.flatMap((file) =>
    [...read(file).matchAll(/\b(?:event: |onError\(\w+, )'([\w.]+)'/g)].map(([, event]) => event!),
  )

  expect(firstCells('docs/reference/log-events.md').sort()).toEqual([...new Set(logged)].sort())
})

test('the version in code is that of the package, and has an entry in the changelog', () => {
  const { version: published } = JSON.parse(read('package.json')) as { version: string }

  expect(version).toBe(published)
  expect(read('CHANGELOG.md')).toContain(`## ${version}`)
})

test.each(['guides', 'reference'])('docs/README.md lists every page of docs/%s', (folder) => {
  const pages = globSync(`docs/${folder}/*.md`, { cwd: root }).map((page) => basename(page))
  const linked = [...read('docs/README.md').matchAll(/\((\w+)\/([\w-]+\.md)\)/g)]
    .filter(([, found]) => found === folder)
    .map(([, , page]) => page!)

  expect(linked.toSorted()).toEqual(pages.sort())
})

test('the README leads to every guide', () => {
  const linked = [...read('README.md').matchAll(/docs\/guides\/([\w-]+\.md)/g)]
  const pages = globSync('docs/guides/*.md', { cwd: root }).map((page) => basename(page))

  expect([...new Set(linked.map(([, page]) => page!))].sort()).toEqual(pages.sort())
})

test('the guide to the command line lists exactly the exit codes', () => {
  const page = read('docs/guides/command-line.md')
  const rows = [...page.matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(([, code, about]) => [code, about])
  const codes = Object.values(exitCatalogue).map(({ code, about }) => [String(code), about])
  expect(rows).toEqual(codes)
})
