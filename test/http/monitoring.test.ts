import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PerformanceObserver } from 'node:perf_hooks'
import { BaseServiceBuilder, type Service, ServiceBuilder, version } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import fc from 'fast-check'
import { sql } from 'kysely'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  createConfig,
  createProbe,
  data,
  future,
  submitTraining,
  train,
  trainAndPredict,
} from '../compat/fixtures.ts'
import { labelsOf, readMetrics } from '../metrics.ts'
import { testWith } from '../setup/needs.ts'

async function startMonitored(options: Parameters<typeof createTestService>[1] = {}) {
  const { builder, gate } = createProbe()
  const service = builder.build()
  const running = await createTestService(service, { port: 0, ...options })
  onTestFinished(() => running.close())
  const listen = async () => (await service.listen({ signals: false })).url
  return { ...running, gate, listen, scrape: () => scrape(running) }
}

async function scrape({ request }: Pick<TestService, 'request'>): Promise<Map<string, number>> {
  const { status, text } = await request('GET', '/metrics')
  expect(status).toBe(200)
  return readMetrics(text)
}

/** The series of some names, without those that are 0. */
function counted(series: Map<string, number>, ...names: string[]): Record<string, number> {
  return Object.fromEntries(
    [...series].filter(
      ([key, value]) => value !== 0 && names.some((name) => key.split('{')[0] === name),
    ),
  )
}

/** Asks until the metrics say what they must: what is asked last may be counted a moment after its answer. */
async function until(ask: () => Promise<boolean>): Promise<void> {
  while (!(await ask())) await new Promise((resolve) => setTimeout(resolve, 5))
}

describe('/metrics', () => {
  test('is text of Prometheus, also for a HEAD, and asks for nothing but to read the service', async () => {
    const { request } = await startMonitored()

    const { status, headers, text } = await request('GET', '/metrics')
    const head = await request('HEAD', '/metrics')

    expect(status).toBe(200)
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(text).toMatch(/^# HELP /)
    expect(text.endsWith('\n')).toBe(true)
    expect(head.status).toBe(200)
    expect(head.headers['content-type']).toBe(headers['content-type'])
    expect(head.text).toBe('')
    const { json } = await request('GET', '/openapi.json')
    expect(json.paths['/metrics'].get).toMatchObject({ 'x-permission': 'service:read' })
    expect((await request('POST', '/metrics')).status).toBe(405)
  })

  test('is there by itself for a model, unless it is turned off, and for others when they ask', async () => {
    const statusOf = async (service: Service) => {
      await using running = await createTestService(service)
      return (await running.request('GET', '/metrics')).status
    }
    expect(await statusOf(createProbe().builder.build())).toBe(200)
    expect(await statusOf(createProbe().builder.withMonitoring(false).build())).toBe(404)
    const plain = () => new BaseServiceBuilder({ info: { id: 'a', display_name: 'A' } })
    expect(await statusOf(plain().build() as never)).toBe(404)
    expect(await statusOf(plain().withMonitoring().build() as never)).toBe(200)
  })

  test('has the names that the console of the Python chapkit plots, with what they say there', async () => {
    const { request, scrape } = await startMonitored()
    for (const path of ['/health', '/health', '/nowhere', '/api/v1/configs', '/metrics'])
      await request('GET', path)
    await until(async () => {
      const seen = await scrape()
      return seen.has(
        'http_request_duration_seconds_count{method="GET",route="/metrics",status="200"}',
      )
    })
    const series = await scrape()
    const prefix = 'http_server_request_duration_seconds_'
    expect(counted(series, `${prefix}count`)).toEqual({
      [`${prefix}count{http_request_method="GET",http_route="/health",http_response_status_code="200",url_scheme="http"}`]: 2,
      [`${prefix}count{http_request_method="GET",http_route="unmatched",http_response_status_code="404",url_scheme="http"}`]: 1,
      [`${prefix}count{http_request_method="GET",http_route="/api/v1/configs",http_response_status_code="200",url_scheme="http"}`]: 1,
    })
    const sum = (name: string) =>
      [...series].reduce((all, [key, value]) => (key.split('{')[0] === name ? all + value : all), 0)
    expect(sum(`${prefix}sum`)).toBeGreaterThan(0)
    expect(series.get('http_server_active_requests')).toBe(1)
    expect(sum('python_gc_collections_total')).toBe(sum('nodejs_gc_duration_seconds_count'))
    for (const name of ['ml_train_jobs_total', 'ml_predict_jobs_total', 'process_open_fds'])
      expect(series.has(name)).toBe(true)
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes'])
      expect(series.has(name)).toBe(true)
  })

  test('is where the builder says', async () => {
    const service = createProbe().builder.withMonitoring('/internal/numbers').build()
    await using moved = await createTestService(service)
    expect((await moved.request('GET', '/internal/numbers')).status).toBe(200)
    expect((await moved.request('GET', '/metrics')).status).toBe(404)
  })

  test('of a service without jobs and models says nothing of them', async () => {
    const info = { id: 'bare', display_name: 'Bare' }
    await using bare = await createTestService(
      new ServiceBuilder({ info }).withMonitoring().build(),
    )
    const series = await scrape(bare)
    expect([...series.keys()].filter((name) => /_jobs?[_{]|hosts?_/.test(name))).toEqual([])
    expect(
      series.get(`chapkit_service_info{id="bare",version="1.0.0",chapkit_version="${version}"}`),
    ).toBe(1)
  })

  test('answers the rest when a part cannot be read', async () => {
    const { parts, scrape } = await startMonitored()
    expect(labelsOf(await scrape(), 'chapkit_jobs')).toHaveLength(10)
    await parts.database.write((tx) => sql`alter table row_count rename to gone`.execute(tx))

    const series = await scrape()

    expect(labelsOf(series, 'chapkit_jobs')).toEqual([])
    expect(series.get('process_resident_memory_bytes')).toBeGreaterThan(1e6)
  })
})

describe('what is watched in the process', () => {
  test('is let go when the service closes', async () => {
    const disconnect = vi.spyOn(PerformanceObserver.prototype, 'disconnect')
    onTestFinished(() => disconnect.mockRestore())
    const { close } = await startMonitored()
    expect(disconnect).not.toHaveBeenCalled()
    await close()
    expect(disconnect).toHaveBeenCalledOnce()
  })

  test('is let go when the service cannot start', async () => {
    const disconnect = vi.spyOn(PerformanceObserver.prototype, 'disconnect')
    onTestFinished(() => disconnect.mockRestore())
    const service = createProbe()
      .builder.withMonitoring()
      .onStartup(() => {
        throw new Error('no license')
      })
      .build()
    await expect(createTestService(service)).rejects.toThrow('no license')
    expect(disconnect).toHaveBeenCalledOnce()
  })
})

describe('jobs', () => {
  test('are counted as they were submitted, and as they ended', async () => {
    const service = await startMonitored()
    const { request, waitForJob, gate } = service
    await trainAndPredict(service)
    const { artifactId } = await train(service)
    const again = { artifact_id: artifactId, historic: data, future }
    const once = { 'idempotency-key': 'sent twice' }
    const first = await request('POST', '/api/v1/ml/$predict', again, once)
    const second = await request('POST', '/api/v1/ml/$predict', again, once)
    expect(second.json).toEqual(first.json)
    await waitForJob(first.json.job_id)
    const failing = await submitTraining(service, { behaviour: 'throw' })
    expect((await waitForJob(failing.jobId)).status).toBe('failed')
    const held = await submitTraining(service, { behaviour: 'wait' })
    const behind = await submitTraining(service)
    await gate.arrived
    for (const { jobId } of [behind, held]) {
      expect((await request('POST', `/api/v1/jobs/${jobId}/$cancel`)).status).toBe(202)
      expect((await waitForJob(jobId)).status).toBe('canceled')
    }
    const refused = await request('POST', '/api/v1/ml/$train', { config_id: 'none', data })
    expect(refused.status).toBeGreaterThanOrEqual(400)

    const series = await service.scrape()

    expect(
      counted(
        series,
        'ml_train_jobs_total',
        'ml_predict_jobs_total',
        'chapkit_jobs',
        'chapkit_jobs_submitted_total',
        'chapkit_jobs_finished_total',
        'chapkit_job_attempts_total',
        'chapkit_job_retries_total',
        'chapkit_job_wait_seconds_count',
        'chapkit_job_run_seconds_count',
      ),
    ).toEqual({
      ml_train_jobs_total: 5,
      ml_predict_jobs_total: 2,
      'chapkit_jobs_submitted_total{type="train"}': 5,
      'chapkit_jobs_submitted_total{type="predict"}': 2,
      'chapkit_jobs{type="train",state="completed"}': 2,
      'chapkit_jobs{type="train",state="failed"}': 1,
      'chapkit_jobs{type="train",state="canceled"}': 2,
      'chapkit_jobs{type="predict",state="completed"}': 2,
      'chapkit_jobs_finished_total{type="train",state="completed"}': 2,
      'chapkit_jobs_finished_total{type="train",state="failed"}': 1,
      'chapkit_jobs_finished_total{type="train",state="canceled"}': 2,
      'chapkit_jobs_finished_total{type="predict",state="completed"}': 2,
      'chapkit_job_attempts_total{type="train"}': 4,
      'chapkit_job_attempts_total{type="predict"}': 2,
      'chapkit_job_wait_seconds_count{type="train"}': 4,
      'chapkit_job_wait_seconds_count{type="predict"}': 2,
      'chapkit_job_run_seconds_count{type="train",state="completed"}': 2,
      'chapkit_job_run_seconds_count{type="train",state="failed"}': 1,
      'chapkit_job_run_seconds_count{type="train",state="canceled"}': 1,
      'chapkit_job_run_seconds_count{type="predict",state="completed"}': 2,
    })
  })

  test('are as many as the list has, whatever was done to them', async () => {
    const service = await startMonitored()
    const { request, waitForJob } = service
    const ids: string[] = []
    const steps = {
      submit: async () => ids.push((await submitTraining(service)).jobId),
      fail: async () => ids.push((await submitTraining(service, { behaviour: 'throw' })).jobId),
      end: async () => ids.length > 0 && waitForJob(ids.at(-1)!),
      cancel: async () => ids.length > 0 && request('POST', `/api/v1/jobs/${ids.at(-1)}/$cancel`),
      remove: async () => ids.length > 0 && request('DELETE', `/api/v1/jobs/${ids.pop()}`),
    }
    const names = Object.keys(steps) as (keyof typeof steps)[]
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...names), { maxLength: 8 }), async (plan) => {
        for (const step of plan) await steps[step]()
        const series = await service.scrape()
        const states = Object.values(counted(series, 'chapkit_jobs'))
        const { json: jobs } = await request('GET', '/api/v1/jobs')
        expect(states.reduce((sum, each) => sum + each, 0)).toBe(jobs.length)
      }),
      { numRuns: 15 },
    )
  })

  test('that are there outlive a restart; what is counted begins anew', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'chapkit-monitoring-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const databaseUrl = join(folder, 'kept.db')
    const before = await startMonitored({ databaseUrl })
    await train(before)
    expect((await before.scrape()).get('ml_train_jobs_total')).toBe(1)
    await before.close()

    const after = await startMonitored({ databaseUrl })
    const series = await after.scrape()

    expect(series.get('ml_train_jobs_total')).toBe(0)
    expect(series.get('chapkit_jobs_finished_total{type="train",state="completed"}')).toBe(0)
    expect(series.get('chapkit_jobs{type="train",state="completed"}')).toBe(1)
    const sizes = labelsOf(series, 'chapkit_database_size_bytes').map(({ file }) => file)
    expect(sizes).toEqual(['database', 'log'])
    expect(series.get('chapkit_database_size_bytes{file="database"}')).toBeGreaterThan(4096)
  })

  test('of two services in one process do not mix', async () => {
    const one = await startMonitored()
    const other = await startMonitored()
    await train(one)

    expect((await one.scrape()).get('ml_train_jobs_total')).toBe(1)
    expect((await other.scrape()).get('ml_train_jobs_total')).toBe(0)
    await one.close()
    expect((await other.scrape()).get('http_requests_in_flight')).toBe(1)
  })
})

describe('requests', () => {
  const requests = (series: Map<string, number>) =>
    counted(series, 'http_request_duration_seconds_count')

  test('are told apart by method, template of the route, and status', async () => {
    const { request, scrape } = await startMonitored()
    const configId = await createConfig({ request } as TestService)
    await request('GET', `/api/v1/configs/${configId}`)
    await request('GET', `/api/v1/configs/${configId}?page=1`)
    await request('HEAD', `/api/v1/configs/${configId}`)
    await request('GET', '/api/v1/configs/01K72P5N5KCRM6MD3BRE4P0778')
    await request('DELETE', '/api/v1/info')
    await request('GET', '/api/v1/configs/')
    await request('GET', '/%zz')
    await request('POST', '/api/v1/configs', '{', { 'content-type': 'application/json' })
    await request('GET', '/health', undefined, { 'content-encoding': 'gzip' })

    const of = (method: string, route: string, status: number) =>
      `http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"}`
    expect(requests(await scrape())).toEqual({
      [of('POST', '/api/v1/configs', 201)]: 1,
      [of('GET', '/api/v1/configs/:id', 200)]: 2,
      [of('HEAD', '/api/v1/configs/:id', 200)]: 1,
      [of('GET', '/api/v1/configs/:id', 404)]: 1,
      [of('GET', 'unmatched', 404)]: 1,
      [of('DELETE', 'unmatched', 405)]: 1,
      [of('GET', 'unmatched', 400)]: 1,
      [of('POST', '/api/v1/configs', 400)]: 1,
      [of('GET', '/health', 415)]: 1,
    })
  })

  test('of any path and method make no more series than there are routes', async () => {
    const { request, scrape } = await startMonitored()
    const { json: document } = await request('GET', '/openapi.json')
    const templates = Object.keys(document.paths).map((path) => path.replace(/\{(\w+)\}/g, ':$1'))
    const methods = [
      'GET',
      'POST',
      'PUT',
      'DELETE',
      'PATCH',
      'HEAD',
      'OPTIONS',
      'PROPFIND',
      'PURGE',
    ]
    const path = fc.oneof(
      fc.webPath(),
      fc
        .tuple(fc.constantFrom(...templates), fc.webSegment())
        .map(([template, segment]) => template.replaceAll(/:\w+/g, segment)),
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...methods), path, async (method, url) => {
        // These never end by themselves.
        if (/\$stream/.test(url)) return
        await request(method, url || '/')
      }),
      { numRuns: 500 },
    )

    const labels = labelsOf(await scrape(), 'http_request_duration_seconds_count')
    const routes = new Set(labels.map(({ route }) => route!))
    const known = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'other']
    expect([...routes].filter((route) => ![...templates, 'unmatched'].includes(route))).toEqual([])
    expect(labels.filter(({ method }) => !known.includes(method!))).toEqual([])
    expect(labels.some(({ method }) => method === 'other')).toBe(true)
    expect(labels.filter(({ status }) => !/^\d{3}$/.test(status!))).toEqual([])
  })

  test('are counted while they are asked, and the metrics with them', async () => {
    const { request, scrape } = await startMonitored()
    const name =
      'http_request_duration_seconds_count{method="POST",route="/api/v1/configs",status="201"}'
    const seen: number[] = []
    const load = Array.from({ length: 4 }, async () => {
      for (let at = 0; at < 50; at++)
        await request('POST', '/api/v1/configs', { name: 'c', data: {} })
    })
    const watch = Array.from({ length: 3 }, async () => {
      for (let at = 0; at < 10; at++) seen.push((await scrape()).get(name) ?? 0)
    })
    await Promise.all([...load, ...watch])

    expect(Math.max(...seen)).toBeLessThanOrEqual(200)
    const series = await scrape()
    expect(series.get(name)).toBe(200)
    expect(series.get('http_requests_in_flight')).toBe(1)
    const commits = 'chapkit_database_commit_writes'
    expect(series.get(`${commits}_sum`)).toBeGreaterThanOrEqual(200)
    expect(series.get(`${commits}_count`)).toBeLessThanOrEqual(series.get(`${commits}_sum`)!)
  })

  test('whose client went away are no longer in flight', async () => {
    const service = await startMonitored()
    const url = await service.listen()
    const { jobId } = await submitTraining(service, { behaviour: 'wait' })
    await service.gate.arrived
    const stream = get(`${url}/api/v1/jobs/${jobId}/$stream`, (answer) => {
      answer.once('data', () => stream.destroy())
      answer.on('error', () => {})
    }).on('error', () => {})
    const waiting = request(`${url}/api/v1/ml/$train`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=60' },
    }).on('error', () => {})
    waiting.end(JSON.stringify({ config_id: await createConfig(service), data }))
    await until(async () => (await service.scrape()).get('ml_train_jobs_total') === 2)
    waiting.destroy()

    const ended = (route: string, status: number, method: string) =>
      `http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"}`
    await until(async () => {
      const series = await service.scrape()
      return (
        series.get(ended('/api/v1/jobs/:id/$stream', 200, 'GET')) === 1 &&
        series.get(ended('/api/v1/ml/$train', 499, 'POST')) === 1 &&
        series.get('http_requests_in_flight') === 1
      )
    })
    service.gate.open()
  })
})

test('blobs of a training are counted, those that are hashed as they come in too', async () => {
  const service = await startMonitored()
  await submitTraining(service, { behaviour: 'wait' })
  await service.gate.arrived
  const series = await service.scrape()
  expect(series.get('chapkit_blob_operations_total{operation="put"}')).toBe(1)
  expect(series.get('chapkit_blob_operations_total{operation="read"}')).toBe(1)
  service.gate.open()
})

test('blobs are counted by what is done with them', async () => {
  const service = await startMonitored()
  const upload = await service.request('POST', '/api/v1/artifacts/$upload', 'some bytes', {
    'content-type': 'text/plain',
  })
  expect(upload.status).toBe(201)
  const before = await service.scrape()
  await service.request('GET', `/api/v1/artifacts/${upload.json.id}/$download`)
  const after = await service.scrape()

  const bytes = (operation: string) => `chapkit_blob_bytes_total{operation="${operation}"}`
  expect(before.get(bytes('put'))).toBe(10)
  expect(before.get('chapkit_blob_operations_total{operation="put"}')).toBe(1)
  expect(after.get(bytes('read'))! - (before.get(bytes('read')) ?? 0)).toBe(10)

  expect((await service.request('DELETE', `/api/v1/artifacts/${upload.json.id}`)).status).toBe(204)
  await service.parts.blobs.sweep(-1000)
  const swept = await service.scrape()
  expect(swept.get(bytes('swept'))).toBe(10)
  expect(swept.get('chapkit_blob_operations_total{operation="swept"}')).toBe(1)
})

describe('promtool', () => {
  testWith('promtool')('finds nothing to complain about', async () => {
    const service = await startMonitored()
    await trainAndPredict(service)
    const { text } = await service.request('GET', '/metrics')

    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    })

    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  testWith('promtool')('takes the configuration, the alerts and the questions of the guide', () => {
    const folder = mkdtempSync(join(tmpdir(), 'chapkit-promtool-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const check = (what: 'config' | 'rules', text: string) => {
      const file = join(folder, `${what}.yml`)
      writeFileSync(file, text)
      return spawnSync('promtool', ['check', what, file], { encoding: 'utf8' })
    }
    const guide = readFileSync(new URL('../../docs/guides/monitoring.md', import.meta.url), 'utf8')
    const blocks = [...guide.matchAll(/^```yaml file=\S+\n(.*?)^```$/gms)].map(([, text]) => text!)
    const queries = [...guide.matchAll(/^\| [^|`]+ \| `([^`]+\)[^`]*|[^`]+limit)` \|$/gm)]
    const rules = queries.map(([, expr], at) => ({ record: `question:${at}`, expr }))

    expect(blocks).toHaveLength(2)
    expect(rules).toHaveLength(6)
    const asked = JSON.stringify({ groups: [{ name: 'guide', rules }] })
    for (const outcome of [
      check('config', blocks[0]!),
      check('rules', blocks[1]!),
      check('rules', asked),
    ])
      expect(outcome).toMatchObject({ status: 0, stderr: '' })
  })
})
