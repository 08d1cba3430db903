import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createClient } from '../client.ts'
import { pause, root, runScript, Scope } from '../harness.ts'
import type { LoadOptions, LoadResult } from '../load.ts'
import { atMost, atMostTimesLimit, median, type Program, quantile, toResult } from '../measure.ts'
import { residentOf, watchMemory } from './overload.ts'

/** What a slow client says at first, and what it adds how often; those that add nothing wait, or do not read. */
interface Kind {
  name: string
  first: string
  drip?: { text: string; everyMs: number }
  reads: boolean
  /** After how many seconds such a client has to be gone: the limit, the time between looks, and a second to read the answer. */
  goneAfter: number
}

const openMs = 5000

const host = 'Host: localhost\r\n'

function kindsOf(artifact: string): Kind[] {
  return [
    { name: 'that send nothing', first: '', reads: true, goneAfter: 17.5 },
    {
      name: 'that send their headers slowly',
      first: `GET /health HTTP/1.1\r\n${host}X-Slow: `,
      drip: { text: 'x', everyMs: 5000 },
      reads: true,
      goneAfter: 17.5,
    },
    {
      name: 'that send their body slowly',
      first: `POST /api/v1/configs HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n`,
      drip: { text: 'x', everyMs: 1000 },
      reads: true,
      goneAfter: 18.5,
    },
    {
      name: 'that do not read',
      first: `GET /api/v1/artifacts/${artifact}/$download HTTP/1.1\r\n${host}\r\n`,
      reads: false,
      // Half a second more before and after: how often we look ourselves.
      goneAfter: 19.5,
    },
  ]
}

export const slowClients: Program = {
  name: 'slow-clients',
  row: '2 000 slow clients beside ordinary ones',
  async run({ quick }) {
    await using scope = new Scope()
    const { url, pid } = await scope.serve('mean.ts')
    const client = createClient(url)
    const upload = await client.send(
      'POST',
      '/api/v1/artifacts/$upload',
      Buffer.alloc(32 * 2 ** 20, 1),
    )
    client.close()
    const { id } = JSON.parse(upload.toString()) as { id: string }
    const seconds = quick ? 22 : 30
    const others = (duration: number): Promise<LoadResult> => {
      const options: LoadOptions = {
        ...{ url, method: 'GET', path: '/api/v1/configs' },
        ...{ connections: 16, rate: 200, seconds: duration },
      }
      return runScript([join(root, 'bench', 'load.ts'), JSON.stringify(options)])
    }
    await others(3)
    const alone = await others(seconds / 2)
    const files = openFiles(pid)
    const resident = residentOf(pid)
    const memory = watchMemory(pid)
    const each = quick ? 50 : 500
    const running = others(seconds)
    // They are there before the crowd is: how long a connection waits for its turn is another question.
    await pause(500)
    const cut = await Promise.all(
      kindsOf(id).map(async (kind) => ({ kind, lived: await crowd(url, kind, each) })),
    )
    const beside = await running
    const peak = memory.stop()
    await pause(500)
    const left = openFiles(pid) - files

    return [
      toResult({
        what: 'p99 of others, 200 requests a second',
        unit: 'ms',
        ours: [beside.accepted.p99 ?? Number.NaN],
        limit: [alone.accepted.p99 ?? Number.NaN],
        limitOf: 'the same without slow clients',
        bar: atMostTimesLimit(2),
        note: `${JSON.stringify(beside.statuses)}, p50 ${beside.accepted.p50?.toFixed(2)}, without ${alone.accepted.p50?.toFixed(2)}; sent ${beside.late?.toFixed(1)} ms late, without ${alone.late?.toFixed(1)}`,
      }),
      toResult({
        what: 'others that were refused or cut',
        unit: '',
        ours: [beside.sent - (beside.statuses[200] ?? 0)],
        bar: atMost(0),
      }),
      ...cut.map(({ kind, lived }) =>
        toResult({
          what: `${each} clients ${kind.name} are cut after`,
          unit: 's',
          ours: [quantile(lived, 1)],
          bar: atMost(kind.goneAfter),
          note: `the first after ${Math.min(...lived).toFixed(1)}, half of them after ${median(lived).toFixed(1)}`,
        }),
      ),
      toResult({
        what: 'memory for each slow client',
        unit: 'KB',
        ours: [((peak - resident) * 1024) / (4 * each)],
        bar: atMost(64),
      }),
      toResult({ what: 'files left open', unit: '', ours: [left], bar: atMost(0) }),
    ]
  },
}

/**
 * Opens so many clients of a kind within five seconds; for how many seconds each was left to it. Of those that do not read,
 * the systems on both sides still take several megabytes, over a while: they stand still from when the last were taken.
 */
async function crowd(url: string, kind: Kind, count: number): Promise<number[]> {
  const { hostname, port } = new URL(url)
  const giveUp = (kind.goneAfter + 20) * 1000
  const taken = kind.reads ? undefined : watchQueues()

  function one(): Promise<number> {
    return new Promise((resolve) => {
      let start = performance.now()
      const socket = connect({ host: hostname, port: Number(port) })
      const drip = kind.drip && every(socket, kind.drip)
      socket.once('connect', () => {
        const own = socket.localPort!
        taken?.onChange(own, () => {
          start = performance.now()
        })
      })
      const end = () => {
        clearInterval(drip)
        clearTimeout(timer)
        socket.destroy()
        resolve((performance.now() - start) / 1000)
      }
      const timer = setTimeout(end, giveUp)
      socket.on('error', end).once('close', end)
      socket.write(kind.first)
      if (kind.reads) socket.resume().once('end', end)
      // Who does not read does not see the end either, but for the reset that a write meets.
      else every(socket, { text: '\r\n', everyMs: 500 }, end)
    })
  }
  const opened: Promise<number>[] = []
  for (let at = 0; at < count; at++) {
    opened.push(one())
    await pause(openMs / count)
  }
  const lived = await Promise.all(opened)
  taken?.stop()
  return lived
}

/** Tells of each local port when more bytes wait in one of the two systems, to be sent to it or to be read: Linux, IPv4. */
function watchQueues() {
  const listeners = new Map<number, () => void>()
  const queued = new Map<number, number>()
  const portOf = (address = '') => Number.parseInt(address.split(':')[1] ?? '', 16)
  const timer = setInterval(() => {
    const now = new Map<number, number>()
    for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1)) {
      const [, local, remote, , queues = ''] = line.trim().split(/\s+/)
      const [sending, receiving] = queues.split(':').map((each) => Number.parseInt(each, 16))
      for (const [port, bytes] of [
        [portOf(local), receiving],
        [portOf(remote), sending],
      ] as const) {
        if (listeners.has(port)) now.set(port, (now.get(port) ?? 0) + (bytes ?? 0))
      }
    }
    for (const [port, bytes] of now) {
      if (bytes <= (queued.get(port) ?? 0)) continue
      queued.set(port, bytes)
      listeners.get(port)?.()
    }
  }, 500)
  return {
    onChange: (port: number, listener: () => void) => listeners.set(port, listener),
    stop: () => clearInterval(timer),
  }
}

function every(
  socket: Socket,
  { text, everyMs }: { text: string; everyMs: number },
  failed: () => void = () => {},
): NodeJS.Timeout {
  const timer = setInterval(() => {
    if (socket.destroyed) return clearInterval(timer)
    socket.write(text, (error) => error && failed())
  }, everyMs)
  return timer
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}
