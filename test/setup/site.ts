import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const dist = join(root, 'docs/.vitepress/dist')

/** What the site is made from. */
const sources = ['*.{md,json}', 'docs/**/*.{ts,css,md,json}', 'src/**/*.ts', 'examples/*/*']

/** The folder of the built site; it is built first unless nothing has changed since. */
export function builtSite(): string {
  const changed = globSync(sources, {
    cwd: root,
    exclude: ['docs/node_modules', 'docs/api', 'docs/.vitepress/{dist,cache}'],
  }).map((file) => statSync(join(root, file)).mtimeMs)
  const stamp = join(dist, 'llms-full.txt')
  if (existsSync(stamp) && statSync(stamp).mtimeMs > Math.max(...changed)) return dist
  const { status, stderr } = spawnSync('npm', ['run', 'docs'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`The site cannot be built:\n${stderr}`)
  return dist
}

/** Addresses of the pages of a built site with their HTML. */
export function readPages(site: string): Map<string, string> {
  const files = globSync('**/*.html', { cwd: site }).sort()
  return new Map(
    files.map((file) => [
      `/${file.replace(/\.html$/, '').replace(/(^|\/)index$/, '$1')}`,
      readFileSync(join(site, file), 'utf8'),
    ]),
  )
}
