import { once } from 'node:events'
import { Agent } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { expect, test } from 'vitest'
import {
  frames,
  isAlive,
  restart,
  spawnService,
  stage,
  startService,
  temporaryFolder,
  until,
} from './harness.ts'

test('asked to end, a service finishes the requests and jobs that it has begun, and leaves no process', async () => {
  const service = await startService({ dataDir: temporaryFolder() })
  const model = stage()
  const slow = stage()
  const { json } = await service.train(await service.config('hold', model.folder))
  const host = await model.began()
  const agent = new Agent({ keepAlive: true })
  const inFlight = service.request('GET', `/slow?folder=${slow.folder}`, { agent })
  await slow.began()
  const stream = frames(await service.open('GET', `/api/v1/jobs/${json.job_id}/$stream`))
  await stream.next()

  service.signal('SIGTERM')
  // Streams end by themselves; what still waits for them would hold up the stop.
  for await (const _ of stream);
  slow.release()
  expect(await inFlight).toMatchObject({ status: 200, json: { late: true } })
  agent.destroy()
  await expect(service.request('GET', '/health')).rejects.toThrow(/ECONNREFUSED|ECONNRESET/)
  model.release()

  expect(await service.exited).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect(isAlive(host)).toBe(false)
  const again = await restart(service)
  expect(await again.job(json.job_id)).toMatchObject({ status: 'completed' })
  expect(model.runs()).toBe(1)
})

test('a job that does not end in time goes back to the queue and runs after the next start', async () => {
  const service = await startService({
    dataDir: temporaryFolder(),
    env: { CHAPKIT_DRAIN_SECONDS: '1' },
  })
  const { folder, began, runs } = stage()
  const { json } = await service.train(await service.config('holdOnce', folder))
  const host = await began()
  const before = performance.now()
  service.signal('SIGTERM')
  expect(await service.exited).toMatchObject({ code: 0 })
  expect(performance.now() - before).toBeGreaterThan(900)
  expect(isAlive(host)).toBe(false)

  const again = await restart(service)

  await again.reaches(json.job_id, 'completed')
  expect(runs()).toBe(2)
  // It went back in good order: nothing had to be taken over.
  expect(again.log.some(({ event }) => event === 'job.taken_over')).toBe(false)
})

test.each([
  ['SIGTERM', 'hold'],
  ['SIGHUP', 'hold'],
  ['SIGTERM', 'catches'],
  ['SIGHUP', 'catches'],
] as const)(
  'a stop that signals a service and the hosts of its models (%s, %s) costs a job none of its attempts',
  async (signal, behaviour) => {
    const first = await startService({ dataDir: temporaryFolder() })
    const { folder, began, runs, release } = stage()
    const { json } = await first.train(await first.config(behaviour, folder))
    let service = first
    // As often as a job may lose its host until it fails.
    for (let stop = 0; stop < 3; stop++) {
      const host = await began(stop)
      process.kill(host, signal)
      service.signal(signal)
      expect(await service.exited).toMatchObject({ code: 0 })
      service = await restart(service)
    }
    await began(3)
    release()
    expect(await service.reaches(json.job_id, 'completed')).toMatchObject({ error: null })
    expect(runs()).toBe(4)
  },
)

test('a terminal that closes stops a service in good order, however often it says so', async () => {
  const service = await startService({ dataDir: temporaryFolder() })
  const { folder, began, release } = stage()
  const { json } = await service.train(await service.config('hold', folder))
  await began()
  service.signal('SIGHUP')
  await until('it stops', () => service.log.some(({ event }) => event === 'service.stopping'))
  service.signal('SIGHUP')
  release()
  expect(await service.exited).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect(await (await restart(service)).job(json.job_id)).toMatchObject({ status: 'completed' })
})

test('a second signal does not wait for what runs', async () => {
  const service = await startService({
    dataDir: temporaryFolder(),
    env: { CHAPKIT_DRAIN_SECONDS: '600' },
  })
  const model = stage()
  const slow = stage()
  const { json } = await service.train(await service.config('deaf', model.folder))
  const host = await model.began()
  const inFlight = service.request('GET', `/slow?folder=${slow.folder}`).catch(String)
  await slow.began()

  service.signal('SIGTERM')
  await until('it stops', () => service.log.some(({ event }) => event === 'service.stopping'))
  service.signal('SIGINT')

  const before = performance.now()
  expect(await service.exited).toMatchObject({ code: 0 })
  expect(performance.now() - before).toBeLessThan(5000)
  expect(await inFlight).toMatch(/socket hang up|ECONNRESET/)
  expect(isAlive(host)).toBe(false)
  model.release()
  await (await restart(service)).reaches(json.job_id, 'completed')
})

test('a third signal ends even a service that hangs while it stops', async () => {
  const service = await startService({ dataDir: temporaryFolder(), env: { HANG: '1' } })
  service.signal('SIGTERM')
  await until('it stops', () => service.log.some(({ event }) => event === 'service.stopping'))
  service.signal('SIGINT')
  service.signal('SIGTERM')
  expect(await service.exited).toMatchObject({ code: 1, signal: null })
})

test('from the moment it stops a service is not ready', async () => {
  const service = await startService({ dataDir: temporaryFolder() })
  const slow = stage()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  expect((await service.request('GET', '/health/ready', { agent })).status).toBe(200)
  // One connection: the question about readiness waits behind a request that is still in flight.
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1').setEncoding('utf8')
  let answers = ''
  socket.on('data', (chunk: string) => {
    answers += chunk
  })
  const ask = (path: string) => socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  ask(`/slow?folder=${slow.folder}`)
  await slow.began()
  service.signal('SIGTERM')
  await until('it stops', () => service.log.some(({ event }) => event === 'service.stopping'))
  ask('/health/ready')
  slow.release()
  await once(socket, 'close')
  agent.destroy()
  expect(answers).toMatch(/^HTTP\/1\.1 200 /)
  expect(answers).not.toMatch(/HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 200 /)
  expect(await service.exited).toMatchObject({ code: 0 })
})

test('an idle service with warm hosts ends at once, and its hosts with it', async () => {
  const service = await startService({ dataDir: temporaryFolder() })
  const { folder } = stage()
  await service.train(await service.config('mean', folder), { prefer: 'wait=30' })
  const hosts = service.hosts()
  expect(hosts.length).toBeGreaterThan(0)
  const before = performance.now()
  service.signal('SIGINT')
  expect(await service.exited).toMatchObject({ code: 0, stderr: '' })
  expect(performance.now() - before).toBeLessThan(3000)
  expect(hosts.filter(isAlive)).toEqual([])
})

test('a second service on the same data is refused and says why; the first one is not disturbed', async () => {
  const dataDir = temporaryFolder()
  const first = await startService({ dataDir })
  const second = await spawnService({ dataDir }).exited
  expect(second.code).toBe(1)
  expect(second.stderr).toContain(`Another chapkit service (process ${first.pid} on `)
  expect(second.stderr).toContain(`at ${first.url}) is using ${dataDir}`)
  expect(second.stderr).toContain('CHAPKIT_DATA_DIR')
  expect((await first.request('GET', '/health')).status).toBe(200)
})

test('a data folder is free again when its owner was killed', async () => {
  const first = await startService({ dataDir: temporaryFolder() })
  await first.kill()
  expect((await (await restart(first)).request('GET', '/health')).status).toBe(200)
})

test('a port that is taken is named, and nothing stays behind', async () => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  const dataDir = temporaryFolder()
  const refused = await spawnService({ dataDir, env: { PORT: String(port) } }).exited
  holder.close()
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain(`Port ${port} is in use`)
  await startService({ dataDir })
})

test('a service within a program that cannot listen holds on to nothing', async () => {
  const { default: service } = await import('./fixtures/model.ts')
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  const options = { dataDir: temporaryFolder(), logLevel: 'silent' as const }
  await expect(service.listen({ ...options, port, signals: false })).rejects.toThrow(
    `Port ${port} is in use`,
  )
  holder.close()
  const second = await startService({ dataDir: options.dataDir })
  expect((await second.request('GET', '/health')).status).toBe(200)
})

test('settings that cannot be used stop the start and are named', async () => {
  const env = { PORT: 'eighty', CHAPKIT_DRAIN_SECONDS: '-1' }
  const { code, stderr } = await spawnService({ dataDir: temporaryFolder(), env }).exited
  expect(code).toBe(1)
  expect(stderr).toContain('PORT=eighty')
  expect(stderr).toContain('CHAPKIT_DRAIN_SECONDS=-1')
})
