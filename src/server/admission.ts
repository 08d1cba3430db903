import type { IncomingMessage, RequestListener, Server } from 'node:http'
import { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ChapkitError } from '../errors.ts'
import { onlyWaits } from '../http/routes.ts'
import type { Logger } from './log.ts'
import { shorten, toProblem } from './problem.ts'

export interface AdmissionOptions {
  /** Requests that are worked on at the same time, at most. */
  maxRequests: number
  /** Event streams and requests that wait for a job, at most. */
  maxStreams: number
  /** Connections beyond which only probes are answered. */
  maxConnections: number
  /** Paths that are never refused, with everything below them. */
  probes: readonly string[]
  newId: () => string
  logger: Logger
}

/** However late the event loop is, so many requests are let in: a service that refuses everything serves nobody. */
const leastRequests = 8
/** How often the event loop is looked at while requests are worked on, in milliseconds. */
const lookMs = 20
/** How late it may be, in milliseconds: this and the work of one more round is what a probe waits. */
const lateMs = 20
/** Processor time of one turn beyond which no more is let in before the next, in milliseconds: what the first rush may cost. */
const turnMs = 100
/** Connections beyond the bound that may still ask for a probe; more are dropped unheard. */
const spareConnections = 256
/** How long such a connection may take to ask, in milliseconds. */
const spareMs = 2000
const reportMs = 10_000

/** A response that says when its head is written: from then on the request needs no more thinking. */
export class AdmittedResponse extends ServerResponse {
  onHead: (() => void) | undefined

  override writeHead(status: number, reason?: never, headers?: never): this {
    this.onHead?.()
    return super.writeHead(status, reason, headers)
  }
}

/**
 * Lets in as many requests as the service can do and answers the others at once, before anything of them is parsed or read: a
 * service that takes on everything serves nobody in time. What counts is work, from the last byte of a request to the head
 * of its answer; bodies that are on their way, answers that are being read, streams and waits take no work. Requests that are
 * done at once are never many at a time, however many stand before the door: those of one turn of the event loop count
 * together. The bound falls with the lateness of the event loop, and rises again when it is on time.
 */
export function createAdmission(options: AdmissionOptions) {
  const { maxRequests, maxStreams, maxConnections, probes, newId } = options
  const report = createReport(options.logger)
  const busy = createRefusal('The service has more requests than it can do; try again later')
  const crowded = createRefusal('The service has too many connections; try again later')
  const streaming = createRefusal('The service follows as much as it can; try again later')
  const spare = new WeakSet<Socket>()
  const least = Math.min(leastRequests, maxRequests)
  let bound = maxRequests
  let working = 0
  let inTurn = 0
  let turnBegan = process.threadCpuUsage()
  let waiting = 0
  let connections = 0
  let looking = false

  const isProbe = (url: string): boolean => {
    for (const probe of probes) {
      if (url === probe || url.startsWith(`${probe}/`) || url.startsWith(`${probe}?`)) return true
    }
    return false
  }

  /** Whether the request goes on; if not, it has been answered. */
  function admit(request: IncomingMessage, response: ServerResponse): boolean {
    // Answers on connections that are too many end them.
    if (connections > maxConnections) response.shouldKeepAlive = false
    if (isProbe(request.url ?? '')) return true
    if (spare.has(request.socket)) return refuse(crowded, request, response)
    if (isBusy()) return refuse(busy, request, response)
    const isStream = isEventStream(request)
    if (isStream && waiting >= maxStreams) return refuse(streaming, request, response)
    if (inTurn++ === 0) {
      turnBegan = process.threadCpuUsage()
      setImmediate(endTurn)
    }
    if (!looking) look(performance.now() + lookMs)
    follow(request, response as AdmittedResponse, isStream)
    return true
  }

  const isBusy = (): boolean =>
    working >= bound || (inTurn >= leastRequests && (inTurn >= bound || isLongTurn()))

  function isLongTurn(): boolean {
    const { user, system } = process.threadCpuUsage(turnBegan)
    return user + system > turnMs * 1000
  }

  function endTurn(): void {
    inTurn = 0
  }

  function refuse(refusal: Refusal, request: IncomingMessage, response: ServerResponse): false {
    const seconds = report(working)
    const id = newId()
    const body = refusal(request.url ?? '', id)
    response
      .writeHead(503, [
        'content-type',
        'application/problem+json',
        'content-length',
        String(Buffer.byteLength(body)),
        'retry-after',
        String(seconds),
        'x-request-id',
        id,
        'x-content-type-options',
        'nosniff',
        'referrer-policy',
        'no-referrer',
      ])
      .end(body)
    return false
  }

  /** Counts a request for what it is doing at the moment. */
  function follow(request: IncomingMessage, response: AdmittedResponse, isStream: boolean): void {
    let leave = nothing
    const to = (enter: () => () => void) => {
      leave()
      leave = enter()
    }
    const begin = () => to(work)
    const end = () => {
      request.off('end', begin)
      to(rest)
    }
    response.onHead = isStream ? () => to(wait) : end
    response.once('close', end)
    if (wantsToWait(request)) {
      // A preference need not be followed: then the answer comes at once.
      if (waiting < maxStreams) response.once(onlyWaits, () => to(wait))
      else delete request.headers.prefer
    }
    if (hasBody(request)) request.once('end', begin)
    else begin()
  }

  function work(): () => void {
    working++
    return () => {
      working--
    }
  }

  function wait(): () => void {
    waiting++
    return () => {
      waiting--
    }
  }

  /** Asks the event loop for a turn, and moves the bound by how late it comes; until nothing is left to do. */
  function look(due: number): void {
    looking = true
    const before = process.threadCpuUsage()
    setTimeout(() => {
      // A processor that others use, or that is taken away, makes us late as well; to refuse requests would not help.
      const { user, system } = process.threadCpuUsage(before)
      const late = Math.min(performance.now() - due, (user + system) / 1000)
      bound =
        late > lateMs
          ? Math.max(least, Math.floor((bound * lateMs) / late))
          : Math.min(maxRequests, Math.ceil(bound * 1.1))
      looking = working > 0 || bound < maxRequests
      if (looking) look(performance.now() + lookMs)
    }, lookMs).unref()
  }

  function onConnection(socket: Socket): void {
    connections++
    socket.once('close', () => {
      connections--
    })
    if (connections <= maxConnections) return
    spare.add(socket)
    const timer = setTimeout(() => socket.destroy(), spareMs)
    timer.unref()
    socket.once('close', () => clearTimeout(timer))
  }

  return {
    /** Stands before whatever answers the requests of a server. */
    guard(server: Server): void {
      const listeners = server.listeners('request') as RequestListener[]
      const pass = (request: IncomingMessage, response: ServerResponse) => {
        for (const listener of listeners) listener(request, response as never)
      }
      server.maxConnections = maxConnections + spareConnections
      server.removeAllListeners('request')
      server.on('connection', onConnection)
      server.on('request', (request, response) => {
        if (admit(request, response)) pass(request, response)
      })
      // Who asks first is not told to send a body that nobody will read.
      server.on('checkContinue', (request, response) => {
        if (isBusy()) response.shouldKeepAlive = false
        if (!admit(request, response)) return
        response.writeContinue()
        pass(request, response)
      })
    },
  }
}

const nothing = () => {}
/** What takes no place: bodies on their way, answers being read. */
const rest = () => nothing

type Refusal = (url: string, requestId: string) => string

/** Texts of a refusal, made once: of each answer only the path and the request id differ. */
function createRefusal(detail: string): Refusal {
  const whole = JSON.stringify(toProblem(new ChapkitError('unavailable', detail), '', ''))
  const head = whole.slice(0, whole.indexOf('"instance":') + '"instance":'.length)
  return (url, requestId) => {
    const query = url.indexOf('?')
    const path = shorten(query === -1 ? url : url.slice(0, query))
    return `${head}${JSON.stringify(path)},"request_id":"${requestId}"}`
  }
}

/**
 * Says in the log that requests are refused: when it begins, and every ten seconds how many. Answers after how many seconds
 * a client should come back: later the longer this lasts, and not all at once.
 */
function createReport(logger: Logger): (working: number) => number {
  let since: number | undefined
  let refused = 0

  function tell() {
    if (refused === 0) {
      since = undefined
      return
    }
    logger.warn({ event: 'service.overloaded', refused }, `${refused} requests were refused`)
    refused = 0
    setTimeout(tell, reportMs).unref()
  }

  return (working) => {
    refused++
    if (since === undefined) {
      since = performance.now()
      logger.warn(
        { event: 'service.overloaded', working, refused },
        'more requests than the service can do: some are refused with 503',
      )
      setTimeout(tell, reportMs).unref()
    }
    const seconds = Math.floor((performance.now() - since) / 1000)
    return 1 + (refused % Math.min(10, 2 + seconds))
  }
}

function isEventStream({ url = '', headers }: IncomingMessage): boolean {
  return /\/\$stream(?:\?|$)/.test(url) || headers.accept?.includes('text/event-stream') === true
}

function wantsToWait({ headers }: IncomingMessage): boolean {
  return headers.prefer !== undefined && /\bwait\b/i.test(String(headers.prefer))
}

function hasBody({ headers }: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers
  return encoding !== undefined || (length !== undefined && length !== '0')
}
