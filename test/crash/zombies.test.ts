import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createArtifacts } from '../../src/artifact/artifacts.ts'
import { createTreeChanges } from '../../src/artifact/change/changes.ts'
import { isSameJson } from '../../src/artifact/intake.ts'
import { mlHierarchy } from '../../src/artifact/schema.ts'
import { createBlobs } from '../../src/blob/blobs.ts'
import { createConfigs } from '../../src/config/configs.ts'
import { embeddedEngine } from '../../src/engine/embedded.ts'
import { createProcessHosts } from '../../src/host/hosts.ts'
import { createDispatcher } from '../../src/job/dispatcher.ts'
import { createJobs, isStaleClaim } from '../../src/job/jobs.ts'
import { createLinks } from '../../src/link/links.ts'
import { createRuns } from '../../src/ml/runs.ts'
import { openPlatform, type Platform } from '../../src/platform.ts'
import { parseSettings } from '../../src/settings.ts'
import { httpClient } from './client.ts'
import { compare } from './compare.ts'
import service from './fixtures/service.ts'
import { createConfig, emptyWorld, perform, predict, train } from './ledger.ts'
import { isAlive, startService, temporaryFolder, until } from './process.ts'

test('a host that was stopped is noticed and killed, and its job runs again', {
  timeout: 180_000,
}, async () => {
  using data = temporaryFolder()
  const gate = join(data.path, 'gate')
  const note = join(data.path, 'note')
  await using service = await startService(join(data.path, 'data'))
  const { send, close } = httpClient(service.url)
  const world = emptyWorld()
  await perform(createConfig(world, { name: 'stopped', seed: 1, more: { gate, note } }), send)
  const configId = [...world.configs.keys()][0]!
  await perform(train(world, { configId, key: 'stopped', rows: 5, seed: 1 }), send)
  const jobId = [...world.jobs.keys()][0]!
  const hosts = () =>
    existsSync(note) ? readFileSync(note, 'utf8').trim().split('\n').map(Number) : []
  const zombie = await until('the model runs', () => hosts()[0])

  process.kill(zombie, 'SIGSTOP')
  await until('it runs again', () => hosts().length > 1 && hosts()[1])
  expect(isAlive(zombie)).toBe(false)
  writeFileSync(gate, '')
  const { bytes } = await send({ method: 'GET', path: `/api/v1/jobs/${jobId}/$stream` })
  expect(bytes.toString()).toContain('"status":"completed"')
  expect(await compare(world, send, { thorough: true })).toEqual([])
  close()
})

test('200 of 200 results that come after their job was taken over are refused, whether or not it has ended', {
  timeout: 300_000,
}, async () => {
  const rounds = 200
  using data = temporaryFolder()
  await using platform = await openPlatform({
    ...parseSettings({}),
    dataDir: join(data.path, 'data'),
  })
  await using first = startOfService(platform, 'first')
  await using second = startOfService(platform, 'second')
  const configId = (await first.configs.create({ name: 'late', data: { bytes: 100 }, tags: [] })).id
  await first.hosts.warm()
  await second.hosts.warm()

  for (let round = 0; round < rounds; round++) {
    // Every other time the job has not ended again when the late result comes: then only the token tells them apart.
    const isUnderWay = round % 2 === 1
    const late = first.stopHost()
    const retry = isUnderWay ? second.stopHost() : undefined
    const id = await first.submit(configId)
    await until('the job is claimed', async () => (await first.jobs.get(id)).status === 'running')
    expect(await second.jobs.takeOver()).toEqual({ resumed: 1, givenUp: 0 })
    if (isUnderWay)
      await until(
        'it is claimed again',
        async () => (await first.jobs.get(id)).status === 'running',
      )
    else await second.jobs.waitFor(id, 60_000)

    late.goOn()
    await until('the late result was refused', () => first.refused() === round + 1)
    expect((await first.jobs.get(id)).status).toBe(isUnderWay ? 'running' : 'completed')
    retry?.goOn()
    expect((await second.jobs.waitFor(id, 60_000))?.status).toBe('completed')
  }

  expect(first.refused()).toBe(rounds)
  expect(first.otherErrors()).toEqual([])
  expect(second.refused()).toBe(0)
  expect(await first.artifacts.count()).toBe(rounds)
})

test('a job that kills its host each time is given up after three hosts, and the others go on', {
  timeout: 180_000,
}, async () => {
  using data = temporaryFolder()
  const note = join(data.path, 'note')
  await using service = await startService(join(data.path, 'data'))
  const { send, close } = httpClient(service.url)
  const world = emptyWorld()
  await perform(createConfig(world, { name: 'good', seed: 1 }), send)
  const poison = { name: 'poison', seed: 2, more: { poison: true, note } }
  await perform(createConfig(world, poison), send)
  const [good = '', bad = ''] = world.configs.keys()
  const options = { rows: 5, seed: 1 }
  await perform(train(world, { configId: good, key: 'before', ...options, wait: 30 }), send)
  const training = [...world.jobs.values()][0]!

  await perform(train(world, { configId: bad, key: 'poison', ...options }), send)
  const poisoned = [...world.jobs.keys()].at(-1)!
  await Promise.all([
    perform(train(world, { configId: good, key: 'beside', ...options, wait: 30 }), send),
    ...[1, 2, 3].map((each) =>
      perform(predict(world, training, { key: `p${each}`, rows: 5, wait: 30 }), send),
    ),
  ])
  await send({ method: 'GET', path: `/api/v1/jobs/${poisoned}/$stream` })

  const { json } = await send({ method: 'GET', path: `/api/v1/jobs/${poisoned}` })
  expect(json.status).toBe('failed')
  expect(json.error).toMatch(/^ModelHostDied: .*3 times/)
  expect(readFileSync(note, 'utf8').trim().split('\n')).toHaveLength(3)
  world.jobs.delete(poisoned)
  const violations = await compare(world, send, { thorough: true })
  expect(violations.map(({ what }) => what)).toEqual([`job ${poisoned}, which nobody submitted`])
  expect((await send({ method: 'GET', path: '/health' })).status).toBe(200)
  close()
})

/**
 * The parts of a service that run jobs, under a boot of their own, on a platform that another one shares: as if the folder had
 * been taken away from one that lives on. Its hosts are left alone when they are silent.
 */
function startOfService(platform: Platform, boot: string) {
  const { database, blobStore, now, serviceTime, newId, newToken } = platform
  const engine = embeddedEngine({ now: serviceTime })
  const blobs = createBlobs({ database, store: blobStore, now: serviceTime })
  const jobs = createJobs({
    database,
    blobs,
    engine,
    now,
    serviceTime,
    newId,
    boot,
    retentionMs: 1e9,
    maxQueued: 1000,
  })
  const { assertFree, assertAllFree, assertUnpromised } = jobs
  const changes = createTreeChanges({
    ...{ database, blobs, newId },
    forget: async () => {},
    onError: () => {},
  })
  const runner = service.spec.runner!
  const artifacts = createArtifacts({
    database,
    blobs,
    intake: { isSame: async (a, b) => isSameJson(a, b) },
    hierarchy: mlHierarchy,
    now,
    newId,
    changes,
    assertFree,
    assertAllFree,
    assertUnpromised,
  })
  const configs = createConfigs({ database, schema: runner.config, now, newId })
  const links = createLinks({ database, configs, artifacts, changes, assertFree })
  const hosts = createProcessHosts({
    module: service.spec.module!,
    env: process.env,
    maximum: 1,
    heartbeatTimeoutMs: 100,
    killSilent: false,
  })
  const otherErrors: unknown[] = []
  const runs = createRuns({
    artifacts,
    blobs,
    hosts,
    code: [],
    covariates: [],
    version: '0',
    clocks: { now, serviceTime },
    newId,
    link: links.linkTrained,
    redact: (text) => text,
    onError: (error) => void otherErrors.push(error),
  })
  let refused = 0
  const dispatcher = createDispatcher({
    jobs,
    engine,
    handlers: { train: { run: runs.train, concurrency: 4 } },
    now,
    newToken,
    onError(error) {
      if (isStaleClaim(error)) refused++
      else otherErrors.push(error)
    },
  })
  dispatcher.start()
  const frame = Buffer.from('{"columns":["disease_cases"],"data":[[1],[2]]}')

  return {
    jobs,
    configs,
    artifacts,
    hosts,
    refused: () => refused,
    otherErrors: () => otherErrors,
    async submit(configId: string): Promise<string> {
      const id = newId()
      const staged = await blobs.stage(frame)
      const { data: config } = await configs.get(configId)
      await jobs.submit({
        id,
        type: 'train',
        payload: JSON.parse(JSON.stringify({ configId, config, data: staged.hash, geo: null })),
        subjectId: configId,
        artifactId: newId(),
        blobs: [staged],
      })
      return id
    },
    stopHost() {
      const [pid] = hosts.stats().pids
      if (pid === undefined) throw new Error(`The ${boot} service has no host`)
      process.kill(pid, 'SIGSTOP')
      return { goOn: () => process.kill(pid, 'SIGCONT') }
    },
    async [Symbol.asyncDispose]() {
      await dispatcher.stop(0, AbortSignal.abort())
      await hosts.close(0)
      await engine.close()
    },
  }
}
