import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.txt': 'text/plain',
}

export interface ServeSiteOptions {
  /** @default any free one */
  port?: number
  /** Path that the site was built for, with slashes around. */
  base?: string
}

/** Serves the files of a site on this machine only, as GitHub Pages does: a page is found without its ending. */
export async function serveSite(
  site: string,
  { port = 0, base = '/' }: ServeSiteOptions = {},
): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const path = pathname.startsWith(base) ? `/${pathname.slice(base.length)}` : '/404'
    const found = [path, `${path}.html`, join(path, 'index.html')]
      // Dots that lead upwards are gone from the path of a URL.
      .map((name) => join(site, name))
      .find((name) => statSync(name, { throwIfNoEntry: false })?.isFile())
    const file = found ?? join(site, '404.html')
    response.writeHead(found ? 200 : 404, { 'content-type': types[extname(file)] ?? 'text/plain' })
    createReadStream(file).pipe(response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${base.replace(/\/$/, '')}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
