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
  const time = (code: string) => {
    const began = performance.now()
    run('node', ['--input-type=module', '-e', code], { cwd: work.folder })
    return performance.now() - began
  }
  // The least of several: what else the machine does only adds to it.
  const least = (code: string) => Math.min(...Array.from({ length: 8 }, () => time(code)))
  const bare = least('')
  const importing = least("await import('chapkit')") - bare
  console.log(`bare node ${bare.toFixed(0)} ms, chapkit ${importing.toFixed(0)} ms more`)
  expect(importing).toBeLessThan(150)
})
