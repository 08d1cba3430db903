// Sends requests to one address and prints what came back, as JSON. Raw sockets, one request at a time on each, and just as
// much reading of answers as is needed: on the cores that it shares with the service every microsecond counts.
import { connect, type Socket } from 'node:net'
import { quantile } from './measure.ts'

export interface LoadOptions {
  url: string
  method: 'GET' | 'POST'
  path: string
  body?: string
  headers?: Record<string, string>
  connections: number
  seconds: number
  /** Requests per second, sent when they are due whether or not others are back; 0 sends on each connection again and again. */
  rate: number
}

export interface LoadResult {
  sent: number
  /** Answers by status. */
  statuses: Record<number, number>
  /** Connections that were cut. */
  errors: number
  perSecond: number
  /** From when a request was due, in milliseconds. */
  accepted: { p50: number | null; p99: number | null }
  refused: { p50: number | null; p99: number | null; max: number }
  /** Refusals that are no problem document, or lack `Retry-After`. */
  wrong: number
  /** How late this program itself sent, in milliseconds; and how many requests it never sent, for want of a connection. */
  late: number | null
  unsent: number
}

export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { rate, seconds, connections } = options
  const { hostname, port } = new URL(options.url)
  const request = toBytes(options)
  const free: Connection[] = []
  const accepted: number[] = []
  const refused: number[] = []
  const late: number[] = []
  const statuses: Record<number, number> = {}
  let due = 0
  let sent = 0
  let errors = 0
  let wrong = 0
  const start = performance.now()
  const end = start + seconds * 1000

  interface Connection {
    socket: Socket
    dueAt: number
    rest: string
  }

  function send(connection: Connection, dueAt: number) {
    connection.dueAt = dueAt
    sent++
    connection.socket.write(request)
  }

  function next(connection: Connection) {
    const now = performance.now()
    if (rate === 0) {
      if (now < end) send(connection, now)
    } else if (sent < due) send(connection, start + (sent * 1000) / rate)
    else free.push(connection)
  }

  function onData(connection: Connection, chunk: string) {
    const text = connection.rest === '' ? chunk : connection.rest + chunk
    const head = text.indexOf('\r\n\r\n')
    const length = head === -1 ? 0 : Number(/content-length: (\d+)/i.exec(text)?.[1])
    if (head === -1 || text.length < head + 4 + length) {
      connection.rest = text
      return
    }
    connection.rest = ''
    const status = Number(text.slice(9, 12))
    statuses[status] = (statuses[status] ?? 0) + 1
    const took = performance.now() - connection.dueAt
    if (status < 400) accepted.push(took)
    else {
      refused.push(took)
      if (!/retry-after: [1-9]/i.test(text) || !text.includes('application/problem+json')) wrong++
    }
    next(connection)
  }

  function open(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true })
      const connection = { socket, dueAt: 0, rest: '' }
      socket.setEncoding('latin1').on('data', (chunk: string) => onData(connection, chunk))
      socket.once('connect', () => {
        free.push(connection)
        resolve()
      })
      socket.once('error', () => {})
      socket.once('close', () => {
        if (performance.now() > end) return
        errors++
        const at = free.indexOf(connection)
        if (at !== -1) free.splice(at, 1)
        void open()
      })
    })
  }

  await Promise.all(Array.from({ length: connections }, open))
  const begun = performance.now()
  if (rate === 0) for (const connection of free.splice(0)) next(connection)
  while (performance.now() < end) {
    const now = performance.now()
    due = Math.floor(((now - start) * rate) / 1000)
    while (sent < due) {
      // The one that has waited longest: a connection that never asks is cut.
      const connection = free.shift()
      if (!connection) break
      const dueAt = start + (sent * 1000) / rate
      late.push(now - dueAt)
      send(connection, dueAt)
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const elapsed = (performance.now() - begun) / 1000
  const answered = Object.values(statuses).reduce((sum, each) => sum + each, 0)
  // What is still under way a second later is not waited for.
  await new Promise((resolve) => setTimeout(resolve, 1000))
  return {
    sent,
    statuses,
    errors,
    perSecond: answered / elapsed,
    accepted: { p50: quantile(accepted, 0.5), p99: quantile(accepted, 0.99) },
    refused: {
      p50: quantile(refused, 0.5),
      p99: quantile(refused, 0.99),
      max: refused.reduce((most, each) => Math.max(most, each), 0),
    },
    wrong,
    late: quantile(late, 0.99),
    unsent: Math.max(0, due - sent),
  }
}

function toBytes({ url, method, path, body = '', headers = {} }: LoadOptions): Buffer {
  const { host } = new URL(url)
  const type =
    body === ''
      ? {}
      : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const lines = Object.entries({ host, ...type, ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  )
  return Buffer.from(`${[`${method} ${path} HTTP/1.1`, ...lines, '', body].join('\r\n')}`)
}

if (import.meta.main) {
  console.log(JSON.stringify(await runLoad(JSON.parse(process.argv[2]!) as LoadOptions)))
  process.exit(0)
}
