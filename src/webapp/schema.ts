import { z } from 'zod'
import type { Permission } from '../permissions.ts'
import { isFilePath } from './folder.ts'

/** File of a web app that says what it is. */
export const manifestFile = 'manifest.json'

/** Paths that no web app can have, with everything below them: they are the service's, now or later. */
export const reservedPrefixes = [
  '/api',
  '/v2',
  '/health',
  '/metrics',
  '/graphql',
  '/console',
  '/docs',
  '/openapi.json',
] as const

/** Whether `path` is `prefix` or below it, whatever the case of its letters. */
export function isAtOrBelow(path: string, prefix: string): boolean {
  const [inner, outer] = [path.toLowerCase(), prefix.toLowerCase()]
  return inner === outer || inner.startsWith(`${outer}/`)
}

/** A prefix without a slash at its end, except `/` itself. Throws when it is none or is reserved. */
export function toAppPrefix(text: string): string {
  const prefix = text.replace(/(?<=[^/])\/$/, '')
  if (!/^(\/|(\/[\w.~-]+)+)$/.test(prefix) || prefix.includes('..') || /\/\.(\/|$)/.test(prefix)) {
    throw new Error(
      `Expected a prefix such as "/dashboard": letters, digits, - _ . ~ between slashes, without ".."; got ${JSON.stringify(text)}`,
    )
  }
  const taken = reservedPrefixes.find((each) => isAtOrBelow(prefix, each))
  if (taken) {
    throw new Error(
      `Expected a prefix that is free, got "${prefix}": "${taken}" is the service's own`,
    )
  }
  return prefix
}

const text = z.string().trim().min(1)

/** What `manifest.json` may say. */
export const WebAppManifest = z.strictObject({
  name: text,
  version: text,
  prefix: z.string().transform((prefix, { addIssue }) => {
    try {
      return toAppPrefix(prefix)
    } catch (error) {
      addIssue((error as Error).message)
      return z.NEVER
    }
  }),
  description: z.string().nullable().default(null),
  author: z.string().nullable().default(null),
  entry: z
    .string()
    .refine(
      isFilePath,
      'Expected a file of the app such as "index.html", without ".." and dotfiles',
    )
    .default('index.html'),
})
export type WebAppManifest = z.infer<typeof WebAppManifest>

/** How the web apps of a folder are served. */
export interface WebAppsOptions {
  /** What a caller must be allowed to do to load the app. @default 'public' */
  permission?: Permission
  /**
   * The `Content-Security-Policy` of the app; false sends none.
   * @default only the service's own scripts, styles, images, fonts and data; see {@link defaultPolicy}
   */
  contentSecurityPolicy?: string | false
  /**
   * Origins whose pages may show the app in a frame, such as `https://dhis2.example.org`. A `contentSecurityPolicy` that names
   * `frame-ancestors` decides that itself.
   * @default those of `CHAPKIT_FRAME_ORIGINS`; without it none but the service's own pages
   */
  framedBy?: readonly string[]
}

export interface WebAppOptions extends WebAppsOptions {
  /** Where the app answers, instead of the `prefix` of its manifest. `/` replaces the page that names the service. */
  prefix?: string
}

/** Like the API pages: an app loads from its own origin. Styles within pages are common, and do little harm. */
export const defaultPolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "worker-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'self'",
].join('; ')

/** One call of `withApp` or `withApps`. */
export interface WebAppSource {
  /** Absolute. */
  folder: string
  /** Whether each folder in it is an app, of which those that do not fit are left out. */
  holdsApps: boolean
  /** Null takes the one of the manifest. */
  prefix: string | null
  permission: Permission
  /** Null sends none. */
  policy: string | null
  /** Null takes those of the settings. */
  framedBy: readonly string[] | null
}

/** A web app that is served. */
export interface WebApp extends Pick<WebAppSource, 'permission' | 'policy' | 'framedBy'> {
  manifest: WebAppManifest
  /** Where it is served: that of the manifest, unless the builder was given another. */
  prefix: string
  /** Absolute, without links. */
  root: string
}
