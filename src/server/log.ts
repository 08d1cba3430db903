import type { FastifyBaseLogger } from 'fastify'
import pino, { type Logger } from 'pino'
import type { Settings } from '../settings.ts'

export type { Logger }

/** What never reaches a log. */
const redacted = [
  'authorization',
  'cookie',
  'set-cookie',
  'x-api-key',
  'password',
  'token',
  'secret',
]

/**
 * The structured log: JSON lines with `event`, or readable ones on a terminal. Lines are buffered for a moment, so that a request
 * costs no write of its own; what is in the buffer is written at the end of the process. Fields named in `secrets` are left out,
 * as passwords and tokens are.
 */
export async function createLogger(
  settings: Pick<Settings, 'logLevel' | 'logFormat'>,
  { secrets = [] }: { secrets?: readonly string[] } = {},
): Promise<Logger> {
  const options: pino.LoggerOptions = {
    level: settings.logLevel,
    messageKey: 'message',
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }), bindings: () => ({}) },
    redact: {
      paths: [...new Set([...redacted, ...secrets])].flatMap((name) =>
        [name, `*.${name}`].map(quoted),
      ),
      censor: '[redacted]',
    },
  }
  const format = settings.logFormat ?? (process.stdout.isTTY ? 'console' : 'json')
  if (format === 'console') {
    const { default: pretty } = await import('pino-pretty')
    return pino(
      options,
      pretty({
        sync: true,
        timestampKey: 'timestamp',
        messageKey: 'message',
        levelKey: 'level',
        translateTime: 'SYS:HH:MM:ss',
        // The message has them in words.
        ignore: 'request_id,event,url,signal,method,path,status_code,duration_ms,client_host',
        messageFormat: readable,
        singleLine: true,
      }),
    )
  }
  return pino(
    options,
    pino.destination({ dest: 1, minLength: 4096, sync: false, periodicFlush: 1000 } as never),
  )
}

type Line = Parameters<Logger['info']>

/** The log of one request, whose lines name it. Made with its first line: most requests write none of their own. */
export class RequestLog implements FastifyBaseLogger {
  readonly #parent: Logger
  readonly #bindings: pino.Bindings
  readonly #options: pino.ChildLoggerOptions
  #own: Logger | undefined

  constructor(parent: Logger, bindings: pino.Bindings, options: pino.ChildLoggerOptions) {
    this.#parent = parent
    this.#bindings = bindings
    this.#options = options
  }

  get #log(): Logger {
    this.#own ??= this.#parent.child(this.#bindings, this.#options)
    return this.#own
  }

  get level(): string {
    return this.#log.level
  }
  set level(level: string) {
    this.#log.level = level
  }
  child(bindings: pino.Bindings, options?: pino.ChildLoggerOptions): Logger {
    return this.#log.child(bindings, options) as Logger
  }
  fatal(...line: Line) {
    this.#log.fatal(...line)
  }
  error(...line: Line) {
    this.#log.error(...line)
  }
  warn(...line: Line) {
    this.#log.warn(...line)
  }
  info(...line: Line) {
    this.#log.info(...line)
  }
  debug(...line: Line) {
    this.#log.debug(...line)
  }
  trace(...line: Line) {
    this.#log.trace(...line)
  }
  silent(...line: Line) {
    this.#log.silent(...line)
  }
}

/** A request in the words of a terminal; other lines say what they are themselves. */
function readable(line: Record<string, unknown>): string {
  if (line.event !== 'http.request.complete') return String(line.message)
  return `${line.method} ${line.path} ${line.status_code} in ${line.duration_ms} ms`
}

function quoted(path: string): string {
  return path
    .split('.')
    .map((part) => (part.includes('-') ? `["${part}"]` : part))
    .join('.')
    .replace('.[', '[')
}
