import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ChapkitError } from '../errors.ts'
import { answerDownload } from '../http/bytes.ts'
import { frameHeaders } from '../http/frames.ts'
import { type Found, find, lastPart } from './find.ts'
import { streamOf } from './folder.ts'
import { hasHash, mediaTypeOf } from './media.ts'
import { isAtOrBelow, reservedPrefixes, type WebApp } from './schema.ts'

export interface WebAppRoutesDeps {
  apps: readonly WebApp[]
  /** Paths of the parts of the service, which apps leave alone with everything below. */
  taken: readonly string[]
  /** Origins whose pages may show apps in a frame, where an app names none. */
  frameOrigins: readonly string[]
  /** Methods that a path knows; those of apps only where no other route does. */
  allowed: (path: string) => string[]
}

/** The files of web apps, each below the prefix of its app, where no other route answers. */
export function webAppRoutes({ apps, taken, frameOrigins, allowed }: WebAppRoutesDeps) {
  const others = [...reservedPrefixes, ...taken]
  const isForApps = (path: string): boolean => {
    const decoded = decode(path)
    return !others.some((each) => isAtOrBelow(decoded, each))
  }

  return async (app: FastifyInstance) => {
    for (const webApp of apps) {
      const { prefix, permission, policy, framedBy } = webApp
      const page = frameHeaders(policy, framedBy ?? frameOrigins)
      const config = { permission, onlyFor: isForApps }
      /** What is the API's, by its path or by a route of another method, is answered as if there were no app. */
      const guarded =
        (answer: (request: FastifyRequest, reply: FastifyReply) => unknown) =>
        (request: FastifyRequest, reply: FastifyReply) => {
          const [path] = splitUrl(request)
          const isOurs = isForApps(path) && allowed(path).includes('GET')
          return isOurs ? answer(request, reply) : reply.callNotFound()
        }

      if (prefix !== '/') {
        app.get(
          prefix,
          { config },
          guarded((request, reply) => redirect(request, reply, `${lastPart(prefix)}/`)),
        )
      }
      app.get(
        prefix === '/' ? '/*' : `${prefix}/*`,
        { config },
        guarded(async (request, reply) => {
          const path = (request.params as { '*': string })['*']
          const found = await find(webApp, path, wantsPage(request))
          if (!found) {
            const [asked] = splitUrl(request)
            throw new ChapkitError('not-found', `Nothing is at ${request.method} ${shorten(asked)}`)
          }
          if ('location' in found) return redirect(request, reply, found.location)
          return sendFile({ permission, page }, found, request, reply)
        }),
      )
    }
  }
}

/** Path and query, which begins with `?` where there is one. */
function splitUrl({ url }: FastifyRequest): [path: string, query: string] {
  const at = url.indexOf('?')
  return at === -1 ? [url, ''] : [url.slice(0, at), url.slice(at)]
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

const shorten = (path: string): string => (path.length > 200 ? `${path.slice(0, 200)}…` : path)

/** Relative, so that it also leads on behind a path of a proxy. */
function redirect(request: FastifyRequest, reply: FastifyReply, location: string): FastifyReply {
  const [, query] = splitUrl(request)
  return reply
    .code(307)
    .headers({ location: `${location}${query}`, 'cache-control': 'no-cache' })
    .send()
}

/** Whether a browser asks for a page, not a script for data or a page for an image. */
function wantsPage({ headers }: FastifyRequest): boolean {
  const types = headers.accept?.toLowerCase().split(',') ?? []
  return types.some(
    (type) => /^\s*text\/html\s*(;|$)/.test(type) && !/;\s*q=0(\.0*)?\s*(;|$)/.test(type),
  )
}

async function sendFile(
  { permission, page }: Pick<WebApp, 'permission'> & { page: Record<string, string> },
  { file, name, isFallback }: Extract<Found, { name: string }>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { handle, size, modified, revision } = file
  let isSent = false
  try {
    const { status, headers, body } = await answerDownload(
      {
        size,
        etag: `W/"${revision}"`,
        type: mediaTypeOf(name),
        filename: null,
        open(start, end) {
          isSent = true
          return streamOf(handle, start, end)
        },
      },
      request.headers,
      request.method,
    )
    const audience = permission === 'public' ? 'public' : 'private'
    return reply
      .code(status)
      .headers({
        ...headers,
        'last-modified': modified.toUTCString(),
        'cache-control': hasHash(name) ? `${audience}, max-age=31536000, immutable` : 'no-cache',
        ...(isFallback && { vary: 'accept' }),
        // A form of a page then says where it comes from, and links of others learn nothing.
        'referrer-policy': 'same-origin',
        ...page,
      })
      .send(body)
  } finally {
    if (!isSent) await handle.close()
  }
}
