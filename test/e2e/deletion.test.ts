import { rmSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { expect, test } from 'vitest'
import { seedModel } from '../setup/seed-model.ts'
import { type RunningProcess, restart, startService, temporaryFolder, until } from './harness.ts'

const configPath = (id: string) => `/api/v1/configs/${id}`

/** A service that is stopped and started again with a config, a model of it, and predictions below that. */
async function serviceWith(predictions: number) {
  const dataDir = temporaryFolder()
  const empty = await startService({ dataDir })
  empty.signal('SIGTERM')
  await empty.exited
  const seeded = seedModel(join(dataDir, 'chapkit.db'), predictions)
  return { service: await startService({ dataDir }), file: join(dataDir, 'chapkit.db'), ...seeded }
}

const total = async (service: RunningProcess) =>
  (await service.request('GET', '/api/v1/artifacts/$stats')).json.total as number

/** What readers see of the config and its artifacts, everywhere. */
async function seen(service: RunningProcess, { configId, modelId, lastId }: Seen) {
  const status = async (path: string) => (await service.request('GET', path)).status
  return {
    config: await status(configPath(configId)),
    model: await status(`/api/v1/artifacts/${modelId}`),
    prediction: await status(`/api/v1/artifacts/${lastId}`),
    configOf: await status(`/api/v1/artifacts/${lastId}/$config`),
    total: await total(service),
    listed: (await service.request('GET', '/api/v1/artifacts?page=1&size=10')).json.items.length,
    linked: (await service.request('GET', `${configPath(configId)}/$artifacts`)).json.length,
  }
}
interface Seen {
  configId: string
  modelId: string
  lastId: string
}

const allOf = (predictions: number) => ({
  ...{ config: 200, model: 200, prediction: 200, configOf: 200 },
  ...{ total: predictions + 1, listed: 10, linked: 1 },
})
const nothing = {
  ...{ config: 404, model: 404, prediction: 404, configOf: 404, total: 0, listed: 0, linked: 0 },
}

function rowsIn(file: string): number {
  const handle = new BetterSqlite(file, { readonly: true })
  try {
    const count = (table: string) =>
      handle.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number
    return ['artifact', 'config_artifact', 'blob_ref', 'tree_mark', 'tree_change']
      .map(count)
      .reduce((sum, each) => sum + each)
  } finally {
    handle.close()
  }
}

test('a config whose model has 40 000 predictions is deleted, and nothing of it is left', async () => {
  const { service, file, ...ids } = await serviceWith(40_000)
  expect(await seen(service, ids)).toEqual(allOf(40_000))

  const { status } = await service.request('DELETE', configPath(ids.configId))

  expect(status).toBe(204)
  expect(await seen(service, ids)).toEqual(nothing)
  expect((await service.request('DELETE', configPath(ids.configId))).status).toBe(404)
  await until('every row is removed', () => rowsIn(file) === 0, 60_000)
})

test('a deletion that is cut off before its answer took nothing away, and works when it is asked again', async () => {
  const { service, file, ...ids } = await serviceWith(20_000)
  const answer = service.request('DELETE', configPath(ids.configId)).catch(() => undefined)
  const handle = new BetterSqlite(file, { readonly: true })
  await until('some are marked', () => {
    const { marked, decided } = handle
      .prepare(
        'SELECT (SELECT count(*) FROM tree_mark) AS marked, (SELECT max(decided) FROM tree_change) AS decided',
      )
      .get() as { marked: number; decided: number | null }
    return marked > 500 && decided === 0
  })
  await service.kill()
  handle.close()
  expect(await answer).toBeUndefined()

  const second = await restart(service)
  expect(await seen(second, ids)).toEqual(allOf(20_000))
  expect((await second.request('DELETE', configPath(ids.configId))).status).toBe(204)
  expect(await seen(second, ids)).toEqual(nothing)
})

test('a deletion that was answered stays, and goes on, when the service is killed before its rows are removed', async () => {
  const { service, file, ...ids } = await serviceWith(20_000)
  expect((await service.request('DELETE', configPath(ids.configId))).status).toBe(204)
  await service.kill()
  expect(rowsIn(file)).toBeGreaterThan(0)

  const second = await restart(service)
  expect(await seen(second, ids)).toEqual(nothing)
  await until('every row is removed', () => rowsIn(file) === 0, 60_000)
})

test('a model with 20 000 predictions is deleted alone: they become roots, all at once for whoever reads', async () => {
  const { service, ...ids } = await serviceWith(20_000)
  const path = `/api/v1/artifacts/${ids.modelId}`
  expect((await service.request('GET', `${path}/$tree`)).json.children).toHaveLength(20_000)

  expect((await service.request('DELETE', path)).status).toBe(204)

  const last = (await service.request('GET', `/api/v1/artifacts/${ids.lastId}`)).json
  expect(last).toMatchObject({ parent_id: null, level: 0 })
  expect(await total(service)).toBe(20_000)
  service.signal('SIGTERM')
  await service.exited
  const second = await restart(service)
  const list = (await second.request('GET', '/api/v1/artifacts')).json
  expect(list).toHaveLength(20_000)
  expect(
    new Set(list.map(({ parent_id, level }: Record<string, unknown>) => `${parent_id} ${level}`)),
  ).toEqual(new Set(['null 0']))
})

test('a service whose database is taken away stops by itself with an exit code, and says why', async () => {
  const service = await startService({ dataDir: temporaryFolder() })
  rmSync(join(service.options.dataDir, 'chapkit.db'))
  const { code } = await service.exited
  expect(code).toBe(1)
  expect(service.log.find(({ event }) => event === 'data.lost')).toMatchObject({ level: 'fatal' })
})
