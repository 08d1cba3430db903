// Checks the package as users will get it: packs it, reads its file list and its doors, installs it into an empty project and
// serves a model from there.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const root = join(import.meta.dirname, '..')
const work = mkdtempSync(join(tmpdir(), 'chapkit-package-'))
const run = (command: string, args: string[], cwd = root) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

const serviceFile = `
import { FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
const runner = new FunctionalModelRunner({
  onTrain: ({ data }) => ({ rows: data.length }),
  onPredict: ({ model, future }) => future.derive('sample_0', () => model.rows),
})
const info = { id: 'packed', display_name: 'Packed', period_type: 'monthly' } as const
export default new MLServiceBuilder({ info, runner }).build()
`

try {
  run('node', ['scripts/build.ts', '--force'])
  const [packed] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', work]),
  ) as Packed[]
  if (!packed) throw new Error('npm pack made no package')
  const strangers = packed.files.map(({ path }) => path).filter((path) => !belongs(path))
  if (strangers.length > 0)
    throw new Error(`Files that do not belong into the package: ${strangers.join(', ')}`)
  const tarball = join(work, packed.filename)
  console.log(
    `${packed.filename}: ${packed.files.length} files, ${Math.round(packed.size / 1024)} KiB`,
  )

  check('publint', ['--strict', tarball])
  // Only ESM is published: there is no CommonJS door to resolve.
  check('attw', [tarball, '--profile', 'esm-only'])

  writeFileSync(join(work, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', tarball], work)
  assertNoScripts()
  writeFileSync(join(work, 'service.ts'), serviceFile)
  await assertServes()
  console.log('the packed package installs and serves')
} finally {
  rmSync(work, { recursive: true, force: true })
}

function check(tool: string, args: string[]) {
  const { status } = spawnSync(join(root, 'node_modules', '.bin', tool), args, {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error(`${tool} found something`)
}

function belongs(path: string): boolean {
  if (['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md'].includes(path)) return true
  if (path.startsWith('dist/cli/templates/')) return true
  return /^dist\/.*\.(js|d\.ts|js\.map)$/.test(path) && !/\.test\.|fixtures/.test(path)
}

/** Nothing that a user installs may run code at installation. */
function assertNoScripts() {
  const lock = JSON.parse(readFileSync(join(work, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { hasInstallScript?: boolean }>
  }
  // Its binding.gyp makes npm expect a build; the package ships its binaries and needs none.
  const known = 'node_modules/better-sqlite3'
  const scripted = Object.entries(lock.packages)
    .filter(([path, entry]) => entry.hasInstallScript && path !== known)
    .map(([path]) => path)
  if (scripted.length > 0)
    throw new Error(`Dependencies with install scripts: ${scripted.join(', ')}`)
  console.log(`${Object.keys(lock.packages).length - 1} packages installed, none by script`)
}

async function assertServes() {
  const bin = join(work, 'node_modules', '.bin', 'chapkit')
  const child = spawn(bin, ['serve', 'service.ts', '--port', '0', '--data-dir', 'data'], {
    cwd: work,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const { event, url } = JSON.parse(line) as { event?: string; url?: string }
      if (event !== 'service.started') continue
      const response = await fetch(`${url}/health`)
      if (response.status !== 200) throw new Error(`/health answered ${response.status}`)
      break
    }
  } finally {
    child.kill('SIGTERM')
  }
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`the service ended with ${code}`)
}

interface Packed {
  filename: string
  size: number
  files: { path: string }[]
}
