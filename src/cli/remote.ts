import { ChapkitClientError, type Client, createClient } from '../client/index.ts'
import { environment, parseClientSettings } from '../settings.ts'
import { CommandError, exit } from './exit.ts'
import { createOutput, type Output } from './output.ts'
import { say } from './print.ts'

/** What every command that uses a service takes. */
export interface RemoteOptions {
  url?: string
  apiKey?: string
  json?: boolean
}

/** A service, and how to speak of it. */
export interface Remote {
  client: Client
  /** A client that Ctrl-C does not end: for what has to be put in order after it. */
  lasting: Client
  url: string
  output: Output
  /** Aborts with Ctrl-C. */
  signal: AbortSignal
  /** What Ctrl-C says from now on; null says nothing. */
  ifInterrupted(text: string | null): void
  /** A command line for the same service, to be copied. */
  command(text: string): string
}

/** Tries after the first while a service is looked for: a person is waiting. */
const retries = 2

/** Runs what uses a service. Every failure comes out as a `CommandError`, Ctrl-C as its exit code. */
export async function withRemote(
  options: RemoteOptions,
  use: (remote: Remote) => Promise<number>,
): Promise<number> {
  const output = createOutput(options)
  const settings = readSettings(options)
  if (options.apiKey !== undefined) {
    output.note(
      'others on this machine can see a key on a command line; set CHAPKIT_API_KEY instead',
    )
  }
  const abort = new AbortController()
  const client = createClient({ ...settings, retries, signal: abort.signal })
  const lasting = createClient({ ...settings, retries })
  let farewell: string | null = null
  // A second Ctrl-C does not wait for anything.
  const onSignal = () => {
    if (abort.signal.aborted) process.exit(exit.interrupted)
    abort.abort()
  }
  process.on('SIGINT', onSignal)
  try {
    return await use({
      ...{ client, lasting, output, url: settings.url, signal: abort.signal },
      ifInterrupted: (text) => {
        farewell = text
      },
      command: (text) =>
        options.url === undefined ? `chapkit ${text}` : `chapkit ${text} --url ${options.url}`,
    })
  } catch (error) {
    if (!abort.signal.aborted) throw toCommandError(error, settings.url)
    if (farewell !== null) say(`chapkit: ${farewell}`)
    return exit.interrupted
  } finally {
    process.off('SIGINT', onSignal)
  }
}

function readSettings({ url, apiKey }: RemoteOptions): { url: string; apiKey?: string } {
  const settings = parseClientSettings(environment())
  const wanted = url ?? settings.url
  const found = /^https?:\/\//.test(wanted) && URL.canParse(wanted) ? wanted : null
  if (found === null) {
    throw new CommandError(
      `Expected ${url === undefined ? 'CHAPKIT_URL' : '--url'} to be a URL such as http://127.0.0.1:8000, got '${wanted}'`,
      exit.usage,
    )
  }
  const key = apiKey ?? settings.apiKey
  return { url: found.replace(/\/+$/, ''), ...(key !== null && { apiKey: key }) }
}

const unreachable = new Set(['unreachable', 'timeout', 'unexpected-answer'])

/** What the client throws, with what to do next. Everything else is passed on. */
export function toCommandError(error: unknown, url: string): unknown {
  if (!(error instanceof ChapkitClientError)) return error
  const { code, status, detail } = error
  const fail = (text: string, as: CommandError['exit']) =>
    new CommandError(text, as, { cause: error })
  if (/nothing listens/.test(detail)) {
    return fail(
      `No service answers at ${url}. Start one with chapkit dev, or name another with --url`,
      exit.unreachable,
    )
  }
  if (unreachable.has(code)) return fail(detail, exit.unreachable)
  if (status === 401)
    return fail(`${detail}. Set CHAPKIT_API_KEY to a key of the service`, exit.refused)
  if (status === 403) return fail(detail, exit.refused)
  if (code === 'not-found' || code === 'invalid-ulid') return fail(detail, exit.missing)
  if (code === 'storage-full') return fail(`${detail} (the disk of the service)`, exit.failed)
  return fail(error.issues.length > 0 ? toSentence(error.issues) : detail, exit.failed)
}

/** What a service refuses of a request, by what it is about. */
function toSentence(issues: ChapkitClientError['issues']): string {
  return issues
    .map(({ loc, msg }) => [loc.slice(1).join('.'), msg].filter((part) => part !== '').join(': '))
    .join('; ')
}
