import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { watchPace } from './pace.ts'
import { answerClientError } from './problem.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** A server whose windows are short: 1 KiB/s over 300 ms. */
async function start(handler: Parameters<typeof createServer>[1]): Promise<number> {
  const server = createServer(handler as never)
  server.on('clientError', (error, socket) => answerClientError(error, socket as Socket, 'id'))
  const pace = watchPace(server, { minimumRate: 1024, windowMs: 300 })
  server.on('close', pace.stop)
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const swallow: Parameters<typeof createServer>[1] = (request, response) => {
  request.resume().on('end', () => response.end('all of it'))
}
const head = (length: number) => `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`

async function everything(socket: Socket): Promise<string> {
  let text = ''
  for await (const chunk of socket) text += chunk
  return text
}

test('a body that trickles is refused with 408 and its connection cut', async () => {
  const port = await start(swallow)
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(head(1_000_000))
  const drip = setInterval(() => socket.write('x'), 50)
  const answer = await everything(socket)
  clearInterval(drip)
  expect(answer).toMatch(/^HTTP\/1\.1 408 /)
  expect(answer).toContain('urn:chapkit:error:request-timeout')
})

test('a long body that keeps moving is taken, however long it takes', async () => {
  const port = await start(swallow)
  const socket = connect(port, '127.0.0.1')
  const pieces = 12
  socket.write(head(pieces * 1024))
  for (let piece = 0; piece < pieces; piece++) {
    socket.write('x'.repeat(1024))
    await sleep(100)
  }
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toContain('all of it')
  socket.destroy()
})

test('a client that does not read is cut, and what it held is let go', async () => {
  const closed = Promise.withResolvers<void>()
  const port = await start((_request, response) => {
    response.once('close', () => closed.resolve())
    response.end(Buffer.alloc(64 * 1024 * 1024))
  })
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  socket.pause()
  await closed.promise
  socket.destroy()
})

test('a stream that has nothing to say, and an idle connection, are left alone', async () => {
  const port = await start((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(': hello\n\n')
    setTimeout(() => response.end('data: late\n\n'), 1000)
  })
  const idle = connect(port, '127.0.0.1')
  const socket = connect(port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  expect(await everything(socket)).toContain('data: late')
  expect(idle.destroyed).toBe(false)
  idle.destroy()
})
