import type { FastifyInstance, RouteOptions } from 'fastify'
import type { RouteDoc } from '../http/routes.ts'
import { isPermission, type Permission } from '../permissions.ts'

/** A route as the document and the 405 answers need it. */
export interface KnownRoute {
  method: string
  /** With `:id` for parameters. */
  url: string
  permission: Permission
  doc: RouteDoc | undefined
  /** The route answers only where no other does, and of those paths only the ones that this says. */
  onlyFor: ((path: string) => boolean) | undefined
}

/** Marks the scope of routes that a user adds: they need not say their permission. */
export const ownRoutes = Symbol('own routes')

function ownDefaults({ method, url }: RouteOptions): { permission: Permission; doc: RouteDoc } {
  return {
    permission: 'service:use',
    doc: {
      tag: 'Service',
      summary: `${[method].flat().join(', ')} ${url}`,
      answers: { 200: { description: 'As its author made it', schema: {}, example: {} } },
    },
  }
}

export type RouteTable = ReturnType<typeof createRouteTable>

/** Every route that is registered, collected while it is: none without a permission gets through. */
export function createRouteTable() {
  const routes: KnownRoute[] = []
  let patterns: { pattern: RegExp; route: KnownRoute }[] | undefined

  return {
    routes,

    collect(app: FastifyInstance): void {
      app.addHook('onRoute', function (this: FastifyInstance, options: RouteOptions) {
        // Where CORS listens for preflights; every other OPTIONS is answered as without it.
        if (options.method === 'OPTIONS' && options.url === '*') return
        if (this.hasDecorator(ownRoutes))
          options.config = { ...ownDefaults(options), ...options.config }
        const { permission, doc, onlyFor } = options.config ?? {}
        if (!isPermission(permission)) {
          throw new Error(
            `The route ${String(options.method)} ${options.url} asks for ${permission ? `the unknown permission "${permission}"` : 'no permission'}; set config.permission`,
          )
        }
        for (const method of [options.method].flat()) {
          routes.push({ method, url: options.url, permission, doc, onlyFor })
        }
        patterns = undefined
      })
    },

    /** Methods that a path knows, in the form of an `Allow` header's list; `*` is the service as a whole. */
    allowed(path: string): string[] {
      patterns ??= routes.map((route) => ({ pattern: toPattern(route.url), route }))
      const decoded = decode(path)
      const all = patterns
        .filter(({ pattern }) => path === '*' || pattern.test(decoded))
        .map(({ route }) => route)
      const first = all.filter(({ onlyFor }) => !onlyFor)
      const fitting = first.length > 0 ? first : all.filter(({ onlyFor }) => onlyFor?.(path))
      // The path of an operation, such as `$schema`, has the form of an id as well, and is none.
      const exact = fitting.filter(({ url }) => url === decoded)
      const methods = (exact.length > 0 ? exact : fitting).map(({ method }) => method)
      return methods.length === 0 ? [] : [...new Set([...methods, 'OPTIONS'])].sort()
    },
  }
}

/** A path as the router compares it: characters beyond ASCII are themselves, what separates parts stays encoded. */
function decode(path: string): string {
  try {
    return decodeURI(path)
  } catch {
    return path
  }
}

function toPattern(url: string): RegExp {
  const parts = url.split('/').map((part) => {
    if (part.startsWith(':')) return '[^/]+'
    if (part === '*') return '.*'
    return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^${parts.join('/')}$`)
}
