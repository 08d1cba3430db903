import { spawnSync } from 'node:child_process'
import { createReadStream, existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'

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

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.txt': 'text/plain',
}

/** Serves the files of a site as GitHub Pages does: a page is found without its ending. */
export async function serveSite(site: string): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname)
    const found = [path, `${path}.html`, join(path, 'index.html')]
      .map((name) => join(site, name))
      .find((name) => statSync(name, { throwIfNoEntry: false })?.isFile())
    const file = found ?? join(site, '404.html')
    response.writeHead(found ? 200 : 404, { 'content-type': types[extname(file)] ?? 'text/plain' })
    createReadStream(file).pipe(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
