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

test('importing it takes less than three times what the library of its schemas takes alone', () => {
  // Time of the processor, which does not grow with what else the machine does; side by side, as machines differ.
  const take = (name: string) => {
    const program = `
      const before = process.cpuUsage()
      await import('${name}')
      const { user, system } = process.cpuUsage(before)
      console.log((user + system) / 1000)`
    const options = { cwd: work.folder }
    return Number(run('node', ['--input-type=module', '-e', program], options).stdout)
  }
  let [whole, schemas] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let round = 0; round < 5; round++) {
    whole = Math.min(whole, take('chapkit'))
    schemas = Math.min(schemas, take('zod'))
  }
  console.log(`importing chapkit takes ${whole.toFixed(0)} ms, zod alone ${schemas.toFixed(0)} ms`)
  expect(schemas).toBeGreaterThan(0)
  expect(whole).toBeLessThan(3 * schemas)
})
