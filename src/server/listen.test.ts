import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { parseSettings } from '../settings.ts'
import { openSocket } from './listen.ts'

/** Events of the log when a service listens: on the loopback, and as it would say of an address. */
async function eventsAt(address: string, { isProtected }: { isProtected: boolean }) {
  const events: unknown[] = []
  const server = createServer()
  onTestFinished(() => void server.close())
  const log = (line: { event: string }) => events.push(line.event)
  const app = {
    server,
    log: { level: 'info', info: log, warn: log },
    listen: () => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)),
  } as unknown as FastifyInstance
  const real = server.address.bind(server)
  server.address = () => ({ ...(real() as AddressInfo), address })
  await openSocket(app, parseSettings({}), {
    warm: () => undefined,
    announce: () => {},
    close: async () => {},
    signals: false,
    isProtected,
  })
  return events
}

test('a service that others reach warns, unless it asks for keys', async () => {
  expect(await eventsAt('0.0.0.0', { isProtected: false })).toEqual([
    'service.exposed',
    'service.started',
  ])
  expect(await eventsAt('0.0.0.0', { isProtected: true })).toEqual(['service.started'])
  expect(await eventsAt('127.0.0.1', { isProtected: false })).toEqual(['service.started'])
})
