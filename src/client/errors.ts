import type { Issue } from '../errors.ts'
import type { JobRecord } from '../job/schema.ts'

/**
 * What went wrong, for programs. Codes of the service are those of its catalogue (`not-found`, `validation-failed`, …); the
 * client adds what the service cannot say itself:
 *
 * | code | means |
 * |---|---|
 * | `unreachable` | no answer came: wrong URL, service down, network gone |
 * | `invalid-url` | the URL of the client is none |
 * | `timeout` | no answer came in `timeoutMs` |
 * | `unexpected-answer` | an answer that is not of this API, say of a proxy or of another service |
 * | `job-failed`, `job-canceled`, `job-deleted` | a job that was waited for did not complete; `job` has its record |
 */
export type ClientErrorCode = string

export interface ClientErrorOptions extends ErrorOptions {
  status?: number | null
  issues?: readonly Issue[]
  requestId?: string | null
  job?: JobRecord | null
}

/** The one error of the client, but for an abort: that throws the reason of its signal. */
export class ChapkitClientError extends Error {
  override readonly name = 'ChapkitClientError'
  readonly code: ClientErrorCode
  /** What was wrong and what to do, in the words of the service where it has answered. */
  readonly detail: string
  /** HTTP status; null where there was no answer. */
  readonly status: number | null
  /** Each violation by itself, of a `validation-failed`. */
  readonly issues: readonly Issue[]
  /** Names the request in the log of the service. */
  readonly requestId: string | null
  /** The job that did not complete, where one was waited for. */
  readonly job: JobRecord | null

  constructor(code: ClientErrorCode, detail: string, options: ClientErrorOptions = {}) {
    const { status = null, issues = [], requestId = null, job = null, cause } = options
    super(detail, cause === undefined ? undefined : { cause })
    this.code = code
    this.detail = detail
    this.status = status
    this.issues = issues
    this.requestId = requestId
    this.job = job
  }
}

/** The error that an answer tells: a problem document, or whatever else came with a status of failure. */
export async function toAnswerError(response: Response, url: string): Promise<ChapkitClientError> {
  const { status } = response
  const requestId = response.headers.get('x-request-id')
  const text = await response.text().catch(() => '')
  const problem = parseProblem(text)
  if (problem === null) {
    return new ChapkitClientError(
      'unexpected-answer',
      `Expected an answer of a chapkit service from ${url}, got status ${status}${text ? ` with ${show(text)}` : ''}; check the URL and what stands in between`,
      { status, requestId },
    )
  }
  if (isUnknownRoute(problem, status)) {
    return new ChapkitClientError(
      codes[status] as string,
      `The service has no such operation: ${url}. It may be of another version, or made with another chapkit`,
      { status, requestId },
    )
  }
  const { type, detail, errors } = problem
  const code = type?.replace(/^urn:\w+:error:/, '') ?? codes[status] ?? 'unexpected-answer'
  const issues = Array.isArray(errors) ? errors : Array.isArray(detail) ? detail : []
  return new ChapkitClientError(code, typeof detail === 'string' ? detail : summary(issues), {
    status,
    issues,
    requestId: problem.request_id ?? requestId,
  })
}

/** A problem document (RFC 9457). The Python chapkit also answers a `detail` alone: a text, or the violations. */
interface Problem {
  type?: string
  detail: string | Issue[]
  request_id?: string
  errors?: Issue[]
}

/** What frameworks of Python answer where no route is. */
const isUnknownRoute = ({ type, detail }: Problem, status: number): boolean =>
  type === undefined &&
  ((status === 404 && detail === 'Not Found') ||
    (status === 405 && detail === 'Method Not Allowed'))

/** What a status means where nothing else says it. */
const codes: Readonly<Record<number, string>> = {
  400: 'bad-request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  409: 'conflict',
  413: 'payload-too-large',
  415: 'unsupported-media-type',
  422: 'validation-failed',
  429: 'too-many-requests',
  500: 'internal',
  503: 'unavailable',
}

function parseProblem(text: string): Problem | null {
  try {
    const problem = JSON.parse(text)
    const isProblem = typeof problem.detail === 'string' || Array.isArray(problem.detail)
    return isProblem && ['string', 'undefined'].includes(typeof problem.type) ? problem : null
  } catch {
    return null
  }
}

const summary = (issues: readonly Issue[]): string =>
  issues
    .slice(0, 3)
    .map(({ loc, msg }) => `${loc?.join('.')}: ${msg}`)
    .join('; ')

const show = (text: string): string =>
  JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)

/** Reasons for which no answer came, by the codes of Node; browsers do not tell any. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: is the service running, and is the port right?',
  ENOTFOUND: 'that host is not known: check the name in the URL',
  EAI_AGAIN: 'the name of the host could not be looked up: check the network',
  ECONNRESET: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
  EPIPE: 'the connection broke',
  ETIMEDOUT: 'the host does not answer: check the network, a firewall, and the URL',
  UND_ERR_CONNECT_TIMEOUT: 'the host does not answer: check the network, a firewall, and the URL',
  EHOSTUNREACH: 'there is no way to the host: check the network',
  ENETUNREACH: 'there is no way to the host: check the network',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: does its URL begin with http:// ?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS: does its URL begin with http:// ?',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'its certificate is not trusted: name its authority in NODE_EXTRA_CA_CERTS',
  SELF_SIGNED_CERT_IN_CHAIN:
    'its certificate is not trusted: name its authority in NODE_EXTRA_CA_CERTS',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate is not trusted: name its authority in NODE_EXTRA_CA_CERTS',
  CERT_HAS_EXPIRED: 'its certificate has expired',
}

/** The error of a request that got no answer. */
export function toNetworkError(thrown: unknown, url: string): ChapkitClientError {
  const reason = reasons[codeOf(thrown) ?? ''] ?? 'is the service running, and is the URL right?'
  return new ChapkitClientError('unreachable', `No answer from ${url}: ${reason}`, {
    cause: thrown,
  })
}

function codeOf(thrown: unknown): string | undefined {
  const { cause, code, errors } = thrown as { cause?: unknown; code?: unknown; errors?: unknown[] }
  if (typeof code === 'string') return code
  // Node tries all addresses of a name and reports each.
  if (Array.isArray(errors)) return errors.map(codeOf).find((each) => each !== undefined)
  return cause instanceof Error ? codeOf(cause) : undefined
}
