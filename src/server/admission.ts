import type { IncomingMessage, RequestListener, Server } from 'node:http'
import { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ChapkitError } from '../errors.ts'
import { onlyWaits } from '../http/routes.ts'
import type { Logger } from './log.ts'
import { shorten, toProblem } from './problem.ts'
import { readTarget } from './target.ts'

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

/**
 * How long requests may begin their work in one turn of the event loop, in milliseconds: about so long a probe waits. As long,
 * at most, turns follow in which none begins while connections come: the event loop takes in one a turn, and a probe that
 * brings its own would else wait for a slice for each that came before it.
 */
const sliceMs = 10
/** Connections beyond the bound that may still ask for a probe; more are dropped unheard. */
const spareConnections = 256
/** How long such a connection may take to ask, in milliseconds. */
const spareMs = 2000
const reportMs = 10_000

/** A response that says when its head is written: from then on the request needs no more thinking. */
export class AdmittedResponse extends ServerResponse {
  onHead: (() => void) | undefined
  /** The client waits to be told to send its body. What is answered before that ends the connection: nobody knows what comes next. */
  asksFirst = false

  override writeHead(status: number, reason?: never, headers?: never): this {
    this.onHead?.()
    if (this.asksFirst) this.shouldKeepAlive = false
    return super.writeHead(status, reason, headers)
  }
}

/**
 * Lets in as many requests as the service can do and answers the others at once, before anything of them is parsed or read: a
 * service that takes on everything serves nobody in time. What counts is work, from the last byte of a request to the head
 * of its answer; bodies that are on their way, answers that are being read, streams and waits take no work.
 *
 * Many requests come in one turn of the event loop, and each may hold it for a while. They begin until a slice of time has
 * been used, and the others stand in line for the next turns: between two slices probes are answered, and who is refused.
 */
export function createAdmission(options: AdmissionOptions) {
  const { maxRequests, maxStreams, maxConnections, probes, newId } = options
  const report = createReport(options.logger)
  const busy = createRefusal('The service has more requests than it can do; try again later')
  const crowded = createRefusal('The service has too many connections; try again later')
  const streaming = createRefusal('The service follows as much as it can; try again later')
  const spare = new WeakSet<Socket>()
  /** Requests that are let in and have not begun. */
  const line: (() => void)[] = []
  let working = 0
  let waiting = 0
  let connections = 0
  /** A connection has come in this turn. */
  let hasNewcomer = false
  /** When the requests of this turn began their work; undefined in a turn without any. */
  let sliceBegan: number | undefined
  /** When the slice of this turn was over; undefined until then. */
  let sliceEnded: number | undefined

  const isProbe = (url: string): boolean => {
    for (const probe of probes) {
      if (url === probe || url.startsWith(`${probe}/`) || url.startsWith(`${probe}?`)) return true
    }
    return false
  }

  /** Lets a request begin, now or later, unless it is refused. */
  function admit(request: IncomingMessage, response: ServerResponse, begin: () => void): void {
    // Answers on connections that are too many end them.
    if (connections > maxConnections) response.shouldKeepAlive = false
    if (isProbe(request.url ?? '')) {
      begin()
      return
    }
    const refusal = refusalOf(request)
    if (refusal) refuse(refusal, request, response)
    else take(request, response, begin)
  }

  function refusalOf(request: IncomingMessage): Refusal | undefined {
    if (spare.has(request.socket)) return crowded
    if (isBusy()) return busy
    return waiting >= maxStreams && isEventStream(request) ? streaming : undefined
  }

  /** Begins a request in this slice, or lines it up for a later one. */
  function take(request: IncomingMessage, response: ServerResponse, begin: () => void): void {
    const start = () => {
      // Who has left meanwhile is not worked for.
      if (response.destroyed) return
      follow(request, response as AdmittedResponse)
      begin()
    }
    if (line.length > 0 || isSliceUsed()) line.push(start)
    else start()
  }

  const isBusy = (): boolean => working + line.length >= maxRequests

  function isSliceUsed(): boolean {
    if (sliceBegan !== undefined) return performance.now() - sliceBegan >= sliceMs
    sliceBegan = performance.now()
    setImmediate(endTurn)
    return false
  }

  /** Begins what stands in line, as much as a slice allows. */
  function endTurn(): void {
    sliceEnded ??= performance.now()
    if (hasNewcomer && performance.now() - sliceEnded < sliceMs) {
      hasNewcomer = false
      setImmediate(endTurn)
      return
    }
    sliceEnded = undefined
    sliceBegan = undefined
    while (line.length > 0 && !isSliceUsed()) line.shift()?.()
  }

  function refuse(refusal: Refusal, request: IncomingMessage, response: ServerResponse): void {
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
  }

  /** Counts a request for what it is doing at the moment. */
  function follow(request: IncomingMessage, response: AdmittedResponse): void {
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
    response.onHead = isEventStream(request) ? () => to(wait) : end
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

  function onConnection(socket: Socket): void {
    hasNewcomer = true
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
        readTarget(request)
        admit(request, response, () => pass(request, response))
      })
      // Any other expectation: who has it is answered as everybody, but may be waiting with its body.
      server.on('checkExpectation', (request, response) => {
        readTarget(request)
        const asking = response as AdmittedResponse
        asking.asksFirst = true
        admit(request, response, () => pass(request, response))
      })
      server.on('checkContinue', (request, response) => {
        readTarget(request)
        if (isBusy()) response.shouldKeepAlive = false
        const asking = response as AdmittedResponse
        admit(request, response, () => {
          continueWhenRead(request, asking)
          pass(request, response)
        })
      })
    },
  }
}

/**
 * Tells a client that asks first to send its body at the moment in which somebody begins to read it. So it is told by no check
 * that may refuse the body unread, and by every parser, whoever has added it.
 */
function continueWhenRead(request: IncomingMessage, response: AdmittedResponse): void {
  response.asksFirst = true
  const read = request._read
  request._read = function (size) {
    // The rest of what was refused is read as well, to be thrown away.
    if (response.asksFirst && !response.headersSent) {
      response.asksFirst = false
      response.writeContinue()
    }
    read.call(this, size)
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
    return `${head}${JSON.stringify(path)},"request_id":"${requestId}","trace_id":"${requestId}"}`
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
