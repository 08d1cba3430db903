// Builds the published package into dist/: JavaScript, declarations, maps. Run by `npm ci`, `npm start` and `npm pack`.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = join(import.meta.dirname, '..')

/** Newest change below `folder`, in milliseconds; 0 when there is none. */
function newest(folder: string): number {
  if (!existsSync(folder)) return 0
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => statSync(join(folder, name)))
    .filter((stat) => stat.isFile())
    .reduce((latest, stat) => Math.max(latest, stat.mtimeMs), 0)
}

// Somewhere else for whoever may not change what others run: `--out FOLDER`.
const named = process.argv.indexOf('--out')
const out = named === -1 ? join(root, 'dist') : resolve(process.argv[named + 1] ?? 'dist')

const stamp = join(out, 'index.js')
const built = existsSync(stamp) ? statSync(stamp).mtimeMs : 0
if (built < newest(join(root, 'src')) || process.argv.includes('--force')) {
  rmSync(out, { recursive: true, force: true })
  const tsc = join(root, 'node_modules', '.bin', 'tsc')
  const args = ['-p', 'tsconfig.build.json', '--outDir', out]
  const { status } = spawnSync(tsc, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
  // Templates are no program of this package: they are copied as they are.
  const templates = join('cli', 'templates')
  cpSync(join(root, 'src', templates), join(out, templates), { recursive: true })
  chmodSync(join(out, 'cli', 'bin.js'), 0o755)
}
