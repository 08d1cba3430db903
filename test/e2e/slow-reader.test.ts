import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { watchPace } from '../../src/server/pace.ts'
import { until } from './harness.ts'

const size = 48 * 1024 * 1024

/** A server that answers with 48 MiB in one piece, and a client that has begun to read them. */
async function begin() {
  const server = createServer((_request, response) => void response.end(Buffer.alloc(size)))
  const pace = watchPace(server, { minimumRate: 1024, windowMs: 300 })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  onTestFinished(() => {
    pace.stop()
    socket.destroy()
    server.closeAllConnections()
    server.close()
  })
  const client = { received: 0, closed: false, isCut: false, socket }
  server.on('connection', (connection) =>
    connection.on('close', () => {
      client.isCut = true
    }),
  )
  socket.on('error', () => {})
  socket.on('close', () => {
    client.closed = true
  })
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  return client
}

test('a client that reads a large answer slowly, but reads, is left to it', async () => {
  const client = await begin()
  client.socket.on('data', (chunk) => {
    client.received += chunk.length
    // Six windows and more for the whole.
    client.socket.pause()
    setTimeout(() => client.socket.resume(), 2)
  })
  await until('the answer has ended', () => client.closed)
  expect(client.received).toBeGreaterThan(size)
})

test('a client that stops reading is cut', async () => {
  const client = await begin()
  client.socket.once('data', (chunk) => {
    client.received += chunk.length
    client.socket.pause()
  })
  await once(client.socket, 'data')
  await until('the server has given up', () => client.isCut)
  client.socket.on('data', (chunk) => {
    client.received += chunk.length
  })
  client.socket.resume()
  await until('the connection is cut', () => client.closed)
  expect(client.received).toBeLessThan(size)
})
