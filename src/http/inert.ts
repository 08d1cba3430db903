import type { IncomingHttpHeaders } from 'node:http'
import { ChapkitError } from '../errors.ts'

/**
 * What a browser may use foreign bytes for (`Sec-Fetch-Dest`): data of a script, a file to save, a picture, a sound. All else
 * gives them a say in a page: as its script, style, worker, frame or plugin, or as whatever browsers will know one day.
 */
const harmless = new Set(['', 'empty', 'document', 'image', 'audio', 'video', 'track'])

/**
 * Types that a browser takes for a part of a page where it does not say what it wants them for, as it does not without TLS from
 * another machine: scripts, styles, modules, and documents of several parts, of which each has a type of its own.
 */
const activeType =
  /^(?:(?:text|application)\/(?:x-)?(?:java|ecma|live|j)script[\d.]*|text\/css|application\/wasm|multipart\/.+)\s*(?:;|$)/i

/** Throws 403 where a browser wants bytes that a client has sent as a part of a page. */
export function assertNotPartOfPage(headers: IncomingHttpHeaders): void {
  const wanted = String(headers['sec-fetch-dest'] ?? '').toLowerCase()
  if (harmless.has(wanted) && headers['service-worker'] === undefined) return
  throw new ChapkitError(
    'forbidden',
    `Expected a download, got a browser that wants the bytes as a part of a page (${JSON.stringify(wanted.slice(0, 50) || 'serviceworker')}); fetch them with a script, or put files of a page into a web app`,
  )
}

/**
 * Headers that keep bytes which a client has sent from doing anything in a browser: opened by itself such a file has no origin,
 * no script and no network, no page can frame it, and pages of other sites cannot embed it, unless CORS shares it with them.
 */
export function inertHeaders(
  type: string | undefined,
  { isShared }: { isShared: boolean },
): Record<string, string> {
  return {
    ...(type !== undefined && {
      'content-type': activeType.test(type) ? 'application/octet-stream' : type,
    }),
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
    'cross-origin-resource-policy': isShared ? 'cross-origin' : 'same-origin',
    'x-frame-options': 'DENY',
  }
}
