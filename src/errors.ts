/**
 * Every error a caller can see: its stable code, HTTP status and title. The code is the contract; on the
 * wire it reads `urn:chapkit:error:<code>`. To add one, add a line here and one in docs/reference/errors.md.
 */
export const errorCatalogue = {
  'bad-request': { status: 400, title: 'Bad Request' },
  'invalid-json': { status: 400, title: 'Invalid JSON' },
  'invalid-ulid': { status: 400, title: 'Invalid ULID Format' },
  unauthorized: { status: 401, title: 'Unauthorized' },
  forbidden: { status: 403, title: 'Forbidden' },
  'not-found': { status: 404, title: 'Resource Not Found' },
  'method-not-allowed': { status: 405, title: 'Method Not Allowed' },
  'request-timeout': { status: 408, title: 'Request Timeout' },
  conflict: { status: 409, title: 'Resource Conflict' },
  'payload-too-large': { status: 413, title: 'Payload Too Large' },
  'uri-too-long': { status: 414, title: 'URI Too Long' },
  'unsupported-media-type': { status: 415, title: 'Unsupported Media Type' },
  'range-not-satisfiable': { status: 416, title: 'Range Not Satisfiable' },
  'expectation-failed': { status: 417, title: 'Expectation Failed' },
  'misdirected-request': { status: 421, title: 'Misdirected Request' },
  'validation-failed': { status: 422, title: 'Validation Failed' },
  'idempotency-mismatch': { status: 422, title: 'Idempotency Key Reused' },
  'too-many-requests': { status: 429, title: 'Too Many Requests' },
  'headers-too-large': { status: 431, title: 'Request Header Fields Too Large' },
  internal: { status: 500, title: 'Internal Server Error' },
  unavailable: { status: 503, title: 'Service Unavailable' },
  'storage-full': { status: 507, title: 'Insufficient Storage' },
} as const satisfies Record<string, { status: number; title: string }>

export type ErrorCode = keyof typeof errorCatalogue

/** One thing wrong with an input: where (`["body", "data", 3]`), what was expected and what came, and its kind. */
export interface Issue {
  loc: (string | number)[]
  msg: string
  type: string
}

export interface ChapkitErrorOptions extends ErrorOptions {
  /** Each violation by itself; shown as `errors` in the problem document. */
  issues?: readonly Issue[]
  /** Response headers that belong to the error, such as `Retry-After`. */
  headers?: Readonly<Record<string, string>>
}

/**
 * The one error class: a code of the catalogue and a detail that says what was expected, what came and what to do.
 * The detail is shown to the caller; secrets, paths and causes go into `cause`, which is only logged.
 */
export class ChapkitError extends Error {
  override readonly name = 'ChapkitError'
  readonly code: ErrorCode
  readonly issues: readonly Issue[] | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ErrorCode, detail: string, options: ChapkitErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.issues = options.issues
    this.headers = options.headers ?? {}
  }

  get status(): number {
    return errorCatalogue[this.code].status
  }
}

/** A 422 that lists every violation and summarises the first ones in its detail. */
export function validationError(issues: readonly Issue[]): ChapkitError {
  const shown = issues.slice(0, 3).map((issue) => `${issue.loc.join('.')}: ${issue.msg}`)
  const more = issues.length > 3 ? ` (and ${issues.length - 3} more)` : ''
  return new ChapkitError('validation-failed', `${shown.join('; ')}${more}`, {
    issues: issues.slice(0, 50),
  })
}

/** Anything that was thrown, as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
