import type { FastifyBaseLogger } from 'fastify'
import pino, { type Logger } from 'pino'
import type { Observe } from '../kernel/observe.ts'
import { printable, printableJson } from '../kernel/printable.ts'
import type { Settings } from '../settings.ts'
import { createLogDestination } from './log-destination.ts'

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

/** How long the end of a log waits for its destination. */
const flushMs = 2000

export interface Log {
  logger: Logger
  /** Writes what is left, as far as that goes within two seconds. */
  close(): Promise<void>
}

/**
 * The structured log: JSON lines with `event`, or readable ones on a terminal. Lines are kept for a moment, so that a request
 * costs no write of its own. Fields named in `secrets` are left out, as passwords and tokens are.
 */
export async function createLog(
  settings: Pick<Settings, 'logLevel' | 'logFormat'>,
  { secrets = [], observe }: { secrets?: readonly string[]; observe?: Observe | undefined } = {},
): Promise<Log> {
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
  if (settings.logLevel === 'silent') return { logger: pino(options), close: async () => {} }
  const format = settings.logFormat ?? (process.stdout.isTTY ? 'console' : 'json')
  const toLine = format === 'console' ? await readableLines() : printableJson
  const destination = createLogDestination({
    onDropped: (lines) => observe?.({ kind: 'log.dropped', lines }),
    onRecovered: (dropped) =>
      logger.warn(
        { event: 'log.dropped', lines: dropped },
        `${dropped} lines of the log were lost: what it is written to took none`,
      ),
  })
  const logger: Logger = pino(options, { write: (line) => destination.write(toLine(line)) })
  return {
    logger,
    async close() {
      await destination.flush(flushMs)
      destination.close()
    },
  }
}

/** Lines for people. What others have put into them is shown and not obeyed. */
async function readableLines(): Promise<(line: string) => string> {
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({
    colorize: process.stdout.hasColors?.() ?? false,
    timestampKey: 'timestamp',
    messageKey: 'message',
    levelKey: 'level',
    translateTime: 'SYS:HH:MM:ss',
    // The message has them in words.
    ignore: 'request_id,event,url,signal,method,path,status_code,duration_ms,client_host',
    messageFormat: readable,
    singleLine: true,
  })
  return (line) => pretty(JSON.parse(line, (_, value) => shown(value))) ?? ''
}

function shown(value: unknown): unknown {
  if (typeof value === 'string') return printable(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [printable(key), each]))
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
  // A line break of others begins no line that looks like ours.
  if (line.event !== 'http.request.complete') return String(line.message).replaceAll('\n', '\n    ')
  return `${line.method} ${line.path} ${line.status_code} in ${line.duration_ms} ms`
}

function quoted(path: string): string {
  return path
    .split('.')
    .map((part) => (part.includes('-') ? `["${part}"]` : part))
    .join('.')
    .replace('.[', '[')
}
