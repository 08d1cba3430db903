/** Who may call a service: whoever has one of its API keys. */
export interface AuthOptions {
  /** The keys themselves. Comes before `apiKeyFile` and `env`. */
  apiKeys?: readonly string[]
  /** File with one key a line; empty lines and lines that begin with `#` are left out. Comes before `env`. */
  apiKeyFile?: string
  /**
   * Names of environment variables with keys, separated by commas; the keys of all of them count.
   * @default CHAPKIT_API_KEYS and SERVICEKIT_API_KEYS
   */
  env?: string | readonly string[]
  /** Header that carries the key; `Authorization: Bearer KEY` does as well. @default X-API-Key */
  headerName?: string
  /**
   * Paths that need no key, each with everything below it; `/` is the page of that path alone. Templates of routes, such as
   * `/api/v1/villages/:name`. Takes the place of what is open by default.
   * @default the routes whose permission is `public`: `/`, `/docs`, `/openapi.json`, `/health`, and those of your own that say so
   */
  openPaths?: readonly string[]
}

/** The same, checked and with its defaults; keys are read when the service starts. */
export interface AuthSpec {
  apiKeys: readonly string[] | null
  apiKeyFile: string | null
  env: readonly string[]
  headerName: string
  /** Null opens the routes whose permission is `public`. */
  openPaths: readonly string[] | null
}

/** Throws an error that says what is wrong with the options; it never has a key. */
export function toAuthSpec(
  options: AuthOptions,
  { variables }: { variables: readonly string[] },
): AuthSpec {
  const { apiKeys, apiKeyFile, env = variables, headerName = 'X-API-Key', openPaths } = options
  if (apiKeys !== undefined && !Array.isArray(apiKeys)) {
    throw new Error('Expected `apiKeys` of withAuth() to be a list of keys, got something else')
  }
  if (apiKeyFile !== undefined && (typeof apiKeyFile !== 'string' || apiKeyFile === '')) {
    throw new Error('Expected `apiKeyFile` of withAuth() to be a path, got something else')
  }
  const names = [env].flat() as string[]
  if (names.length === 0 || names.some((name) => !/^[a-z_]\w*$/i.test(name))) {
    throw new Error('Expected `env` of withAuth() to name environment variables, such as MY_KEYS')
  }
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(headerName) || taken.has(headerName.toLowerCase())) {
    throw new Error(
      `Expected \`headerName\` of withAuth() to be the name of a header of its own, such as X-API-Key, got "${headerName}"`,
    )
  }
  for (const path of openPaths ?? []) assertOpenPath(path)
  return {
    apiKeys: apiKeys ?? null,
    apiKeyFile: apiKeyFile ?? null,
    env: names,
    headerName,
    openPaths: openPaths ?? null,
  }
}

/** Headers that mean something else already. */
const taken = new Set([
  'authorization',
  'proxy-authorization',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'expect',
  'host',
  'idempotency-key',
  'origin',
  'prefer',
  'transfer-encoding',
])

function assertOpenPath(path: unknown): void {
  const isPath =
    typeof path === 'string' &&
    (path === '/' || (/^(\/[^/?#%\s]+)+$/.test(path) && !/\/\.\.?(\/|$)/.test(path)))
  if (isPath) return
  throw new Error(
    `Expected \`openPaths\` of withAuth() to have paths such as "/health", without a slash at the end, got "${path}"`,
  )
}
