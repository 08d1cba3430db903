import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { pack, root, run, workFolder } from './packed.ts'

interface LockEntry {
  dev?: boolean
  hasInstallScript?: boolean
}

const work = workFolder('package')
const published = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, LockEntry>
}
let tarball: string

beforeAll(() => {
  tarball = pack(work.folder)
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball], {
    cwd: work.folder,
  })
})
afterAll(work.remove)

test('the package is smaller than 2 MB', () => {
  expect(statSync(tarball).size).toBeLessThan(2_000_000)
})

test('it has at most 35 direct dependencies, none of them bundled or optional', () => {
  expect(Object.keys(published.dependencies).length).toBeLessThanOrEqual(35)
  for (const name of ['bundleDependencies', 'bundledDependencies', 'optionalDependencies'])
    expect(published).not.toHaveProperty(name)
})

test('nothing that a user installs runs a script at its installation', () => {
  const scripted = Object.entries(lock.packages)
    .filter(([, { dev, hasInstallScript }]) => !dev && hasInstallScript)
    .map(([path]) => path)
  expect(scripted).toEqual([])
  // One that has a binding.gyp would be compiled without a script that says so.
  const sqlite = JSON.parse(
    readFileSync(join(root, 'node_modules/better-sqlite3/package.json'), 'utf8'),
  )
  expect(sqlite.gypfile).toBe(false)
  for (const name of ['preinstall', 'install', 'postinstall'])
    expect(published.scripts).not.toHaveProperty(name)
})

test('importing it takes less than 150 ms', () => {
  // Time of the processor, which does not grow with what else the machine does; on a free one it is the time that passes.
  const program = `
    const before = process.cpuUsage()
    await import('chapkit')
    const { user, system } = process.cpuUsage(before)
    console.log((user + system) / 1000)`
  const take = () =>
    Number(run('node', ['--input-type=module', '-e', program], { cwd: work.folder }).stdout)
  const least = Math.min(...Array.from({ length: 5 }, take))
  console.log(`importing chapkit takes ${least.toFixed(0)} ms beside bare node`)
  expect(least).toBeLessThan(150)
})
