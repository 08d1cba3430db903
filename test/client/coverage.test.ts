import { createClient } from 'chapkit/client'
import { expect, test } from 'vitest'
import { connect, type Probe } from './service.ts'

const id = '01K72P5N5KCRM6MD3BRE4P0778'
const frame = [{ time_period: '2024-01', location: 'north' }]

/** Routes that the client has no method for, with the reason. */
const without: Record<string, string> = {
  'GET /metrics': 'figures for Prometheus, as text',
  'GET /api/v1/system/apps/$schema': 'a schema that nobody needs to call a service',
  'GET /api/v1/hello': 'a route of the service’s own: request',
  'POST /api/v1/echo': 'a route of the service’s own: request',
}

test('the client has a method for every route of the API, and calls none that is not there', async () => {
  const { url, request } = await connect()
  const document = (await (await request('/openapi.json')).json()) as {
    paths: Record<string, Record<string, unknown>>
  }
  // Pages are for people.
  const routes = Object.entries(document.paths)
    .filter(([path]) => !/^\/($|docs|openapi\.json)/.test(path))
    .flatMap(([path, item]) => Object.keys(item).map((verb) => `${verb.toUpperCase()} ${path}`))
  const called = new Set<string>()
  const client = createClient<Probe>({
    url,
    retries: 0,
    async fetch(input, init) {
      const { pathname } = new URL(String(input))
      const path = decodeURIComponent(pathname).replace(id, '{id}')
      called.add(`${init?.method ?? 'GET'} ${path}`)
      return fetch(input, init)
    },
  })
  const { configs, artifacts, jobs, ml, tasks, schedules, health, system } = client
  const config = { name: 'a', data: { region: 'north' } }
  const task = { command: 'echo' }
  const trigger = { type: 'once', at: '2099-01-01T00:00:00Z' } as const
  const schedule = { name: 'a', task_id: id, trigger }
  const first = async (items: AsyncIterable<unknown>) => {
    for await (const _ of items) return
  }

  // What they answer is of no matter here: nothing has this id.
  await Promise.allSettled([
    ...[client.info(), health.check(), health.live(), health.ready(), first(health.watch())],
    ...[system.info(), system.apps()],
    ...[configs, artifacts, client.entity('station'), tasks, schedules].flatMap((group) => [
      ...[group.list(), group.get(id), group.remove(id), group.schema(), group.count()],
    ]),
    ...[configs.create(config), configs.replace(id, config), configs.artifacts(id)],
    ...[configs.link(id, id), configs.unlink(id, id)],
    ...[artifacts.create({ data: 1 }), artifacts.replace(id, { data: 1 }), artifacts.upload('a')],
    ...[artifacts.expand(id), artifacts.tree(id), artifacts.metadata(id), artifacts.lineage(id)],
    ...[artifacts.config(id), artifacts.download(id)],
    ...[client.entity('station').create({ code: 'a' })],
    ...[client.entity('station').replace(id, { code: 'a' })],
    ...[jobs.list(), jobs.get(id), jobs.logs(id), jobs.cancel(id), jobs.remove(id)],
    ...[jobs.schema(), first(jobs.watch(id))],
    ...[ml.train({ config_id: id, data: frame }), ml.sampleData()],
    ml.predict({ artifact_id: id, historic: frame, future: frame }),
    ml.validate({ type: 'train', config_id: id, data: frame }),
    ...[tasks.create(task), tasks.replace(id, task), tasks.execute(id), tasks.parameters(id)],
    ...[tasks.enable(id), tasks.disable(id)],
    ...[schedules.create(schedule), schedules.replace(id, schedule), schedules.next(id)],
    ...[schedules.runs(id), schedules.pause(id), schedules.resume(id), schedules.trigger(id)],
  ])

  const named = (route: string) => route.replace(/\{\w+\}/g, '{id}')
  expect([...called].filter((route) => !routes.map(named).includes(route))).toEqual([])
  expect(
    routes.filter((route) => !called.has(named(route)) && without[route] === undefined),
  ).toEqual([])
})
