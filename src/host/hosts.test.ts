import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { pause } from '../kernel/abort.ts'
import { decodeModel, encodeModel } from '../ml/envelope.ts'
import type { ValueRunner } from '../ml/runner.ts'
import type { Behaviour } from './fixtures/behaviour.ts'
import { runner as meanRunner } from './fixtures/mean.ts'
import {
  createInlineHosts,
  createProcessHosts,
  inheritedFlags,
  type ModelHosts,
  type PredictResult,
  type ProcessHostsOptions,
  type RunEvents,
  type RunOutcome,
  type RunRequest,
  type TrainResult,
} from './hosts.ts'
import { packRequest } from './protocol.ts'

const fixture = (name: string) => new URL(`./fixtures/${name}.ts`, import.meta.url).href
const code = (source: string) => `data:text/javascript,${encodeURIComponent(source)}`

const open = new Set<ModelHosts>()
afterEach(async () => {
  await Promise.all([...open].map((hosts) => hosts.close()))
  open.clear()
})

function startHosts(name: string, options: Partial<ProcessHostsOptions> = {}): ModelHosts {
  const hosts = createProcessHosts({
    module: name.includes(':') ? name : fixture(name),
    env: process.env,
    maximum: 1,
    ...options,
  })
  open.add(hosts)
  return hosts
}

const inlineHosts = (runner: ValueRunner) => createInlineHosts({ runner, functions: new Map() })

const json = (value: unknown) => ({ bytes: new TextEncoder().encode(JSON.stringify(value)) })
const cases = {
  columns: ['time_period', 'location', 'disease_cases'],
  data: [
    ['2024-01', 'oslo', 10],
    ['2024-02', 'oslo', 20],
    ['2024-01', 'bergen', 5],
  ],
}
const futureRows = {
  columns: ['time_period', 'location'],
  data: [
    ['2024-03', 'oslo'],
    ['2024-03', 'bergen'],
  ],
}

const forecast = {
  columns: [...futureRows.columns, 'sample_0'],
  data: futureRows.data.map((row) => [...row, 1]),
}

function trainRequest(config: unknown = {}): RunRequest {
  return { kind: 'train', config, geo: null, covariates: [], frames: { data: json(cases) } }
}

function predictRequest(model: Uint8Array, key = 'model'): RunRequest {
  return {
    kind: 'predict',
    config: {},
    geo: null,
    covariates: [],
    frames: { historic: json(cases), future: json(futureRows) },
    model: { key, source: { bytes: model } },
  }
}

const behave = (behaviour: Behaviour) => trainRequest(behaviour)

/** A run whose events are written down. */
function start(hosts: ModelHosts, request: RunRequest) {
  const controller = new AbortController()
  const lines: string[] = []
  const progress: [number | null, string | null][] = []
  const metrics: Record<string, number>[] = []
  const events: RunEvents = {
    onLog: (stream, line) => void lines.push(`${stream}: ${line}`),
    onProgress: (fraction, message) => void progress.push([fraction, message]),
    onMetrics: (values) => void metrics.push(values),
  }
  const outcome = hosts.run(request, { signal: controller.signal, events })
  return { outcome, lines, progress, metrics, abort: () => controller.abort() }
}

async function trained(outcome: Promise<RunOutcome>): Promise<TrainResult> {
  const settled = await outcome
  if (settled.status !== 'done') throw new Error(`Expected a model, got ${JSON.stringify(settled)}`)
  return settled.result as TrainResult
}

async function predicted(outcome: Promise<RunOutcome>): Promise<PredictResult> {
  return (await trained(outcome)) as unknown as PredictResult
}

/** Waits for a condition, by asking; the deadline is only there to fail. */
async function until(condition: () => unknown, milliseconds = 90_000): Promise<void> {
  const deadline = performance.now() + milliseconds
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain for ${condition}`)
    await pause(10)
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A zombie is dead, its parent just has not looked.
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const onlyPid = (hosts: ModelHosts): number => {
  const [pid, ...more] = hosts.stats().pids
  if (pid === undefined || more.length > 0) throw new Error('Expected exactly one host')
  return pid
}

function temporaryFile(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-host-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, name)
}

describe.each([
  ['in a process', () => startHosts('mean')],
  ['inline', () => inlineHosts(meanRunner)],
])('a model %s', (place, create) => {
  test('trains and predicts', async () => {
    const hosts = create()
    const training = start(hosts, trainRequest({ factor: 2 }))
    const result = await trained(training.outcome)

    expect(decodeModel(result.model)).toEqual(
      new Map([
        ['oslo', 30],
        ['bergen', 10],
      ]),
    )
    expect(result.metrics).toEqual({ mae: 0.5, bias: 2 })
    expect(result.inputs.data).toEqual({
      rows: 3,
      csv: { size: 84, crc32: expect.any(Number) },
      fields: [
        { name: 'time_period', type: 'string' },
        { name: 'location', type: 'string' },
        { name: 'disease_cases', type: 'number' },
      ],
    })
    expect(training.lines).toContain('log: training')
    expect(training.lines).toContain('log: metric broken is NaN, not a finite number: left out')
    expect(training.progress).toEqual([[0.5, 'half way']])
    expect(Object.assign({}, ...training.metrics)).toEqual({ mae: 0.5, bias: 2 })
    if (place === 'in a process') {
      expect(training.lines).toContain('stdout: to stdout')
      expect(training.lines).toContain('stderr: to stderr')
    }

    const prediction = await predicted(start(hosts, predictRequest(result.model)).outcome)
    expect(JSON.parse(new TextDecoder().decode(prediction.frame))).toEqual({
      columns: ['time_period', 'location', 'sample_0'],
      data: [
        ['2024-03', 'oslo', 30],
        ['2024-03', 'bergen', 10],
      ],
      schema: {
        fields: [
          { name: 'time_period', type: 'string' },
          { name: 'location', type: 'string' },
          { name: 'sample_0', type: 'integer' },
        ],
      },
    })
    expect(prediction.output).toMatchObject({ rows: 2, csv: { size: 64 } })
    expect(prediction.inputs.historic.csv).toEqual(result.inputs.data.csv)
    expect(prediction.inputs.future.rows).toBe(2)
  })

  test('reads frames and models from files', async () => {
    const hosts = create()
    const frame = temporaryFile('frame.json')
    writeFileSync(frame, JSON.stringify(cases))
    const request = { ...trainRequest(), frames: { data: { path: frame } } } as RunRequest
    const { model } = await trained(start(hosts, request).outcome)
    const file = temporaryFile('model')
    writeFileSync(file, model)
    const predict = {
      ...predictRequest(model),
      model: { key: 'k', source: { path: file } },
    } as RunRequest
    expect((await predicted(start(hosts, predict).outcome)).output.rows).toBe(2)
  })

  test('fails with a damaged model', async () => {
    const outcome = await start(create(), predictRequest(Buffer.from('pickle'))).outcome
    expect(outcome).toMatchObject({
      status: 'failed',
      error: expect.stringContaining('model file is damaged'),
    })
  })

  test('is not started when its signal has aborted', async () => {
    const hosts = create()
    const outcome = await hosts.run(trainRequest(), {
      signal: AbortSignal.abort(),
      events: { onLog() {}, onProgress() {}, onMetrics() {} },
    })
    expect(outcome).toEqual({ status: 'aborted' })
  })

  test('is not run after close', async () => {
    const hosts = create()
    await hosts.close()
    expect(await start(hosts, trainRequest()).outcome).toEqual({ status: 'aborted' })
  })
})

describe('what a model does wrong is said', () => {
  test.each<[Behaviour['do'], string, RegExp | null]>([
    ['throw', 'TypeError: no rain', /behaviour\.ts:\d+[\s\S]*a dry year/],
    ['throwText', 'just text', null],
    ['throwLater', 'RangeError: thrown in a timer', /behaviour\.ts/],
    ['rejectLater', 'RangeError: nobody listens', /behaviour\.ts/],
    ['nothing', 'onTrain returned nothing; expected the model', null],
    ['function', 'model.trees[3].predict: a function cannot be stored', null],
  ])('%s', async (name, error, traceback) => {
    const hosts = startHosts('behaviour')
    const outcome = await start(hosts, behave({ do: name })).outcome
    expect(outcome).toMatchObject({ status: 'failed', error: expect.stringContaining(error) })
    if (traceback && outcome.status === 'failed') expect(outcome.traceback).toMatch(traceback)
    // The next run is none the worse.
    expect(await start(hosts, behave({ do: 'lastWords' })).outcome).toMatchObject({
      status: 'done',
    })
  })

  test.each<[string, unknown, string]>([
    ['nothing', undefined, 'onPredict returned nothing; expected a DataFrame'],
    ['a number', 3, 'onPredict returned 3; expected a DataFrame'],
    ['no rows', { columns: ['a'], data: [] }, 'onPredict returned a frame without rows'],
    [
      'NaN',
      {
        columns: ['a', 'b'],
        data: [
          [1, 2],
          [3, Number.NaN],
        ],
      },
      'onPredict returned NaN in column `b`, row 1',
    ],
    ['infinite', [{ a: 1 / 0 }], 'onPredict returned Infinity in column `a`, row 0'],
    ['ragged rows', { columns: ['a', 'b'], data: [[1]] }, 'Expected 2 cells'],
    ['objects in cells', [{ a: { b: 1 } }], 'Expected a string, a number, a boolean or null'],
  ])('predict that returns %s', async (_, returned, error) => {
    const hosts = inlineHosts({ ...meanRunner, predict: () => returned as never })
    const outcome = await start(hosts, predictRequest(encodeModel(new Map()))).outcome
    expect(outcome).toMatchObject({ status: 'failed', error: expect.stringContaining(error) })
  })

  test.each([
    ['a frame as it travels', forecast],
    [
      'records',
      futureRows.data.map(([time_period, location]) => ({ time_period, location, sample_0: 1 })),
    ],
    ['a frame of another copy of the library', { toJson: () => forecast }],
  ])('while %s is accepted', async (_, returned) => {
    const hosts = inlineHosts({ ...meanRunner, predict: () => returned as never })
    expect(await start(hosts, predictRequest(encodeModel(new Map()))).outcome).toMatchObject({
      status: 'done',
    })
  })

  test('save and load of the runner take the place of the envelope', async () => {
    const hosts = inlineHosts({
      ...meanRunner,
      save: () => Buffer.from('mine'),
      load: (bytes: Uint8Array) => new Map([['oslo', bytes.byteLength]]),
    })
    const { model } = await trained(start(hosts, trainRequest()).outcome)
    expect(Buffer.from(model).toString()).toBe('mine')
    const { frame } = await predicted(start(hosts, predictRequest(model)).outcome)
    expect(JSON.parse(new TextDecoder().decode(frame)).data[0][2]).toBe(4)
  })
})

test('the map of a run goes to the host in bytes that only the host parses', async () => {
  const map = { type: 'FeatureCollection', features: [], name: 'x'.repeat(10_000) }
  const request = { ...trainRequest({ do: 'map' }), geo: json(map) } as RunRequest
  const { packed, attachments } = packRequest(request)
  expect(JSON.stringify(packed).length).toBeLessThan(1000)
  expect(attachments).toHaveLength(2)

  const path = temporaryFile('map.json')
  writeFileSync(path, JSON.stringify(map))
  const hosts = startHosts('behaviour')
  for (const geo of [json(map), { path }]) {
    const { model } = await trained(start(hosts, { ...request, geo } as RunRequest).outcome)
    expect(decodeModel(model)).toEqual({ map })
  }
})

describe('a module that cannot be loaded fails the run with its error', () => {
  test.each([
    ['throws', code('throw new TypeError("no such device")'), 'TypeError: no such device'],
    ['has a syntax error', code('export default {'), 'SyntaxError: Unexpected'],
    ['is not there', 'file:///nowhere/model.ts', 'Cannot find module'],
    [
      'exports no model',
      code('export const model = 1'),
      'exports no model and no tasks: expected `export default service`',
    ],
    ['exits', code('process.exit(7)'), 'The model host exited with code 7 while it loaded'],
    [
      'throws late',
      code('setTimeout(() => { throw new Error("late") }); await new Promise(() => {})'),
      'Error: late',
    ],
  ])('%s', async (_, module, error) => {
    const hosts = startHosts(module)
    const runs = [1, 2, 3].map(() => start(hosts, trainRequest()).outcome)
    for (const outcome of await Promise.all(runs)) {
      expect(outcome).toMatchObject({ status: 'failed', error: expect.stringContaining(error) })
    }
    await expect(hosts.warm()).rejects.toThrow(error)
    // One start for each that asked, none by itself.
    await until(() => hosts.stats().restarts === 4)
    expect(hosts.stats()).toMatchObject({ count: 0, pids: [] })
  })

  test('a flag that node does not know', async () => {
    const hosts = startHosts('mean', { execArgv: ['--no-such-flag'] })
    const outcome = await start(hosts, trainRequest()).outcome
    expect(outcome).toMatchObject({
      status: 'failed',
      traceback: expect.stringContaining('bad option'),
    })
  })

  test('one that never finishes loading', async () => {
    const hosts = startHosts(code('for (;;);'), { startTimeoutMs: 500 })
    expect(await start(hosts, trainRequest()).outcome).toEqual({
      status: 'host-died',
      reason: 'was not ready within 0.5 s',
    })
  })
})

describe('the death of a host is told apart from a failure of the model', () => {
  test.each<[Behaviour['do'], string]>([
    ['exit', 'exited with code 3'],
    ['segfault', 'killed by SIGSEGV'],
    ['disconnect', 'closed its channel to the service'],
    ['memory', 'ran out of memory'],
  ])('%s', async (name, reason) => {
    const hosts = startHosts('behaviour', { execArgv: ['--max-old-space-size=64'] })
    expect(await start(hosts, behave({ do: name })).outcome).toEqual({
      status: 'host-died',
      reason,
    })
    expect(await start(hosts, behave({ do: 'lastWords' })).outcome).toMatchObject({
      status: 'done',
    })
    await until(() => hosts.stats().restarts === 1)
  })

  const mebibyte = 2 ** 20

  test('one that fills memory outside of the heap is ended at its limit, and the next one is not', async () => {
    const hosts = startHosts('behaviour', { memoryLimit: 400 * mebibyte })
    expect(await start(hosts, behave({ do: 'buffers' })).outcome).toEqual({
      status: 'host-died',
      reason: 'took more than 400 MiB of memory (CHAPKIT_MODEL_MEMORY)',
    })
    expect(hosts.stats()).toMatchObject({ count: 0, restarts: 1 })
    expect(await start(hosts, behave({ do: 'lastWords' })).outcome).toMatchObject({
      status: 'done',
    })
  })

  test('one that fills its heap is ended for its memory, one that makes garbage is not', async () => {
    const hosts = startHosts('behaviour', { memoryLimit: 400 * mebibyte })
    expect(await start(hosts, behave({ do: 'memory' })).outcome).toEqual({
      status: 'host-died',
      // V8 mostly notices first; while it makes room it may take more than the limit.
      reason: expect.stringMatching(/^(ran out of|took more than 400 MiB of) memory/),
    })
    expect(await start(hosts, behave({ do: 'garbage' })).outcome).toMatchObject({ status: 'done' })
  })

  test('SIGKILL from outside', async () => {
    const hosts = startHosts('behaviour')
    const run = start(hosts, behave({ do: 'loop' }))
    await until(() => run.lines.length > 0)
    process.kill(onlyPid(hosts), 'SIGKILL')
    expect(await run.outcome).toEqual({ status: 'host-died', reason: 'killed by SIGKILL' })
  })

  test('a host that has stopped is noticed and killed', async () => {
    const hosts = startHosts('behaviour', { heartbeatTimeoutMs: 400 })
    const run = start(hosts, behave({ do: 'never' }))
    await until(() => run.lines.length > 0)
    const pid = onlyPid(hosts)
    process.kill(pid, 'SIGSTOP')
    expect(await run.outcome).toEqual({
      status: 'host-died',
      reason: 'stopped answering for 0.4 s',
    })
    expect(isAlive(pid)).toBe(false)
  })

  test('one that computes without a pause is not taken for stopped, nor one that a debugger halts', async () => {
    const computing = startHosts('behaviour', { heartbeatTimeoutMs: 400 })
    const run = start(computing, behave({ do: 'loop' }))
    const halted = startHosts('behaviour', { heartbeatTimeoutMs: 400, killSilent: false })
    const other = start(halted, behave({ do: 'never' }))
    await until(() => run.lines.length > 0 && other.lines.length > 0)
    process.kill(onlyPid(halted), 'SIGSTOP')
    await pause(1500)
    expect(isAlive(onlyPid(computing))).toBe(true)
    expect(isAlive(onlyPid(halted))).toBe(true)
  })

  test('a host that dies with nothing to do is replaced when there is', async () => {
    const hosts = startHosts('behaviour')
    await trained(start(hosts, behave({ do: 'dieWhenIdle' })).outcome)
    await until(() => hosts.stats().count === 0)
    expect(hosts.stats().restarts).toBe(1)
    await trained(start(hosts, behave({ do: 'lastWords' })).outcome)
  })
})

describe('a canceled run', () => {
  test.each<Behaviour['do']>(['loop', 'deafLoop', 'never'])(
    'ends within two seconds with its process: %s',
    async (name) => {
      const hosts = startHosts('behaviour')
      const run = start(hosts, behave({ do: name }))
      await until(() => run.lines.length > 0)
      const pid = onlyPid(hosts)
      const before = performance.now()
      run.abort()
      expect(await run.outcome).toEqual({ status: 'aborted' })
      expect(performance.now() - before).toBeLessThan(2000)
      expect(isAlive(pid)).toBe(false)
      await trained(start(hosts, behave({ do: 'lastWords' })).outcome)
    },
  )

  test('leaves the host warm when the model obeys', async () => {
    const hosts = startHosts('behaviour')
    const run = start(hosts, behave({ do: 'wait' }))
    await until(() => run.lines.length > 0)
    const pid = onlyPid(hosts)
    run.abort()
    expect(await run.outcome).toEqual({ status: 'aborted' })
    await trained(start(hosts, behave({ do: 'lastWords' })).outcome)
    expect(onlyPid(hosts)).toBe(pid)
    expect(hosts.stats().restarts).toBe(0)
  })

  test('takes the processes that the model started with it', async () => {
    const hosts = startHosts('behaviour')
    const run = start(hosts, behave({ do: 'child' }))
    await until(() => run.lines.length > 0)
    const child = Number(run.lines[0]!.split(' ').at(-1))
    expect(isAlive(child)).toBe(true)
    run.abort()
    await run.outcome
    await until(() => !isAlive(child))
  })

  test('in the queue never starts', async () => {
    const hosts = startHosts('behaviour')
    const first = start(hosts, behave({ do: 'wait' }))
    const second = start(hosts, behave({ do: 'lastWords' }))
    const third = start(hosts, behave({ do: 'lastWords' }))
    await until(() => first.lines.length > 0)
    expect(hosts.stats()).toMatchObject({ queued: 2, busy: 1, count: 1 })
    second.abort()
    expect(await second.outcome).toEqual({ status: 'aborted' })
    expect(hosts.stats().queued).toBe(1)
    first.abort()
    await trained(third.outcome)
    expect(second.lines).toEqual([])
  })

  test('inline is given up at once', async () => {
    const hosts = inlineHosts({ ...meanRunner, train: () => new Promise<never>(() => {}) })
    const run = start(hosts, trainRequest())
    run.abort()
    expect(await run.outcome).toEqual({ status: 'aborted' })
  })
})

describe('what a run says', () => {
  test('arrives while it computes without a pause', async () => {
    const run = start(startHosts('behaviour'), behave({ do: 'loop' }))
    await until(() => run.lines.length === 2 && run.progress.length === 1)
    expect(run.lines.toSorted()).toEqual([
      'log: before the loop',
      'stdout: printed before the loop',
    ])
    expect(run.progress).toEqual([[0.25, 'looping']])
  })

  test('has arrived when the outcome has, also a line without an end', async () => {
    const hosts = startHosts('behaviour')
    for (let round = 0; round < 50; round++) {
      const run = start(hosts, behave({ do: 'lastWords' }))
      await run.outcome
      expect(run.lines.toSorted()).toEqual([
        'stderr: Grüße',
        'stderr: to you',
        'stdout: begun and not ended',
      ])
    }
  })

  test('has arrived whole, however much lay in the pipe', async () => {
    const hosts = startHosts('behaviour')
    for (let round = 0; round < 10; round++) {
      const run = start(hosts, behave({ do: 'flood', count: 3 * 1024 * 1024 }))
      await run.outcome
      expect(run.lines).toHaveLength(3 * 1024)
    }
  })

  test.each<Behaviour['do']>(['flood', 'floodWithoutBreaks'])(
    'is cut after 4 MiB, and neither blocks nor fills memory: %s',
    async (name) => {
      const hosts = startHosts('behaviour')
      const before = process.memoryUsage.rss()
      let peak = 0
      const watch = setInterval(() => {
        peak = Math.max(peak, process.memoryUsage.rss())
      }, 5)
      const run = start(hosts, behave({ do: name, count: 256 * 1024 * 1024 }))
      await trained(run.outcome)
      clearInterval(watch)
      const size = run.lines.reduce((sum, line) => sum + line.length, 0)
      expect(size).toBeLessThan(4.5 * 1024 * 1024)
      expect(Math.max(...run.lines.map((line) => line.length))).toBeLessThan(8300)
      if (name === 'flood') expect(run.lines.at(-1)).toContain('output truncated')
      expect(run.lines.filter((line) => line.includes('output truncated')).length).toBeLessThan(2)
      expect(peak - before).toBeLessThan(100 * 1024 * 1024)
      // The limit is each run's own.
      const next = start(hosts, behave({ do: 'lastWords' }))
      await next.outcome
      expect(next.lines.length).toBe(3)
    },
  )

  test('through log() is cut as well', async () => {
    const run = start(startHosts('behaviour'), behave({ do: 'floodLog', count: 300_000 }))
    await trained(run.outcome)
    expect(run.lines.length).toBeLessThan(150_000)
    expect(run.lines.filter((line) => line.includes('output truncated'))).toHaveLength(1)
  })

  test('about progress and metrics a million times arrives a few times, the last one for sure', async () => {
    const run = start(startHosts('behaviour'), behave({ do: 'manyReports', count: 1_000_000 }))
    expect((await trained(run.outcome)).metrics).toEqual({ step: 1_000_000 })
    expect(run.progress.length).toBeLessThan(200)
    expect(run.progress.at(-1)).toEqual([1, 'step 1000000'])
    expect(run.metrics.at(-1)).toEqual({ step: 1_000_000 })
  })

  test('outside of a run goes to the log of the service', async () => {
    const lines: string[] = []
    const module = code(`
      console.log('loading')
      export const runner = { train: () => 1, predict: () => 1 }
    `)
    const hosts = startHosts(module, { log: (line) => void lines.push(line) })
    await trained(start(hosts, trainRequest()).outcome)
    expect(lines).toContain('model host: loading')
  })
})

describe('hosts', () => {
  const pidOf = async (outcome: Promise<RunOutcome>) =>
    (decodeModel((await trained(outcome)).model) as { pid: number }).pid
  const traces = (file: string) => readFileSync(file, 'utf8').trim().split('\n')

  test('call init once and cleanup when they end in good order', async () => {
    const file = temporaryFile('traces')
    const hosts = startHosts('behaviour', { env: { ...process.env, TRACES: file } })
    await hosts.warm()
    const pid = onlyPid(hosts)
    for (let run = 0; run < 3; run++) await start(hosts, behave({ do: 'lastWords' })).outcome
    await hosts.close()
    expect(traces(file)).toEqual([`init ${pid}`, `cleanup ${pid}`])
    expect(isAlive(pid)).toBe(false)
  })

  test('get the environment that was given, a mark, and the flags of this process', async () => {
    const hosts = startHosts('behaviour', {
      env: { PATH: process.env.PATH, PRIVATE: 'no' },
      execArgv: ['--stack-size=900'],
    })
    const { model } = await trained(start(hosts, behave({ do: 'environment' })).outcome)
    expect(decodeModel(model)).toMatchObject({
      CHAPKIT_HOST: '1',
      PRIVATE: 'no',
      flags: expect.arrayContaining(['--conditions=chapkit-source', '--stack-size=900']),
    })
  })

  test('run at nice 10 on all their threads', async () => {
    const hosts = startHosts('behaviour')
    await hosts.warm()
    const pid = onlyPid(hosts)
    const ps = spawn('ps', ['-L', '-o', 'ni=', '-p', String(pid)])
    const text = (await ps.stdout.toArray()).join('')
    expect(new Set(text.trim().split(/\s+/))).toEqual(new Set(['10']))
  })

  test.runIf(existsSync('/proc/self/oom_score_adj'))(
    'are what the kernel ends first when memory is short',
    async () => {
      const score = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'))
      const hosts = startHosts('behaviour')
      await hosts.warm()
      expect(score(onlyPid(hosts))).toBe(Math.min(1000, score(process.pid) + 500))
    },
  )

  test('keep a model that they loaded, and are preferred for it', async () => {
    const loads = temporaryFile('loads')
    const module = code(`
      import { appendFileSync } from 'node:fs'
      export const runner = {
        train: () => 1,
        load: (bytes) => { appendFileSync(${JSON.stringify(loads)}, String(bytes) + '\\n'); return Number(bytes) },
        predict: async ({ model, config }) => {
          await new Promise((resolve) => setTimeout(resolve, config.ms))
          return [{ model }]
        },
      }
    `)
    const hosts = startHosts(module, { maximum: 2 })
    const predict = (model: string, ms = 0) =>
      start(hosts, { ...predictRequest(Buffer.from(model), model), config: { ms } } as RunRequest)
        .outcome
    // Two at once: each host loads another model.
    await Promise.all([predict('1', 500), predict('2', 500)])
    for (const model of ['1', '2', '2', '1', '1', '2']) await predict(model)
    expect(traces(loads).toSorted()).toEqual(['1', '2'])
    expect(hosts.stats()).toMatchObject({ count: 2, busy: 0, restarts: 0 })
  })

  test('take requests in order', async () => {
    const hosts = startHosts('behaviour')
    const order: number[] = []
    const runs = Array.from({ length: 12 }, (_, index) =>
      start(hosts, behave({ do: 'lastWords' })).outcome.then(() => order.push(index)),
    )
    await Promise.all(runs)
    expect(order).toEqual(order.toSorted((a, b) => a - b))
  })

  test('are no more than the maximum', async () => {
    const hosts = startHosts('behaviour', { maximum: 2 })
    const runs = Array.from(
      { length: 12 },
      () => start(hosts, behave({ do: 'environment' })).outcome,
    )
    expect(hosts.stats()).toMatchObject({ count: 2, queued: 12 })
    expect(new Set(await Promise.all(runs.map(pidOf))).size).toBeLessThanOrEqual(2)
    expect(hosts.stats()).toMatchObject({ count: 2, queued: 0, busy: 0 })
  })

  test('that nobody uses end, all but one', async () => {
    const hosts = startHosts('behaviour', { maximum: 3, idleMs: 100 })
    await Promise.all(
      [1, 2, 3].map(() => start(hosts, behave({ do: 'flood', count: 3e7 })).outcome),
    )
    await until(() => hosts.stats().count === 1)
    expect(hosts.stats().restarts).toBe(0)
  })

  test.each<[string, Behaviour['do'], Partial<ProcessHostsOptions>]>([
    ['after so many runs', 'environment', { recycleAfterRuns: 2 }],
    ['when they have grown', 'grow', { recycleRssBytes: 250 * 1024 * 1024 }],
  ])('are replaced %s', async (_, name, options) => {
    const hosts = startHosts('behaviour', options)
    const pids: number[] = []
    for (let run = 0; run < 6; run++)
      pids.push(await pidOf(start(hosts, behave({ do: name })).outcome))
    const different = new Set(pids).size
    if (options.recycleAfterRuns) expect(different).toBe(3)
    expect(different).toBeGreaterThan(1)
    expect(different).toBeLessThan(6)
    expect(hosts.stats().restarts).toBe(0)
  })

  test('give back what a run has left behind when they end', async () => {
    const hosts = startHosts('behaviour')
    const { model } = await trained(start(hosts, behave({ do: 'childLeft' })).outcome)
    const child = decodeModel(model) as number
    expect(isAlive(child)).toBe(true)
    await hosts.close()
    await until(() => !isAlive(child))
  })

  test('return a large model whole', async () => {
    const { model } = await trained(
      start(startHosts('behaviour'), behave({ do: 'large', count: 100_000_000 })).outcome,
    )
    expect((decodeModel(model) as Uint8Array).byteLength).toBe(100_000_000)
  })

  test('all end on close, whatever they do', async () => {
    const hosts = startHosts('behaviour', { maximum: 3 })
    await hosts.warm()
    const runs = (['deafLoop', 'never', 'wait', 'lastWords'] as const).map((name) =>
      start(hosts, behave({ do: name })),
    )
    await until(() => runs.slice(0, 3).every((run) => run.lines.length > 0))
    const { pids } = hosts.stats()
    expect(pids).toHaveLength(3)
    await hosts.close()
    for (const run of runs) expect(await run.outcome).toEqual({ status: 'aborted' })
    expect(pids.filter(isAlive)).toEqual([])
    expect(hosts.stats()).toMatchObject({ count: 0, pids: [] })
  })

  test('whose cleanup never ends are made to', async () => {
    const module = code(
      'export const runner = { train: () => 1, predict: () => 1, cleanup: () => { for (;;); } }',
    )
    const hosts = startHosts(module)
    await trained(start(hosts, trainRequest()).outcome)
    const pid = onlyPid(hosts)
    await hosts.close(100)
    expect(isAlive(pid)).toBe(false)
  })

  test.each<Behaviour['do']>(['loop', 'deafLoop', 'child'])(
    'end when the service is killed, also in the middle of: %s',
    async (name) => {
      const script = fileURLToPath(fixture('service'))
      const flags = ['--conditions=chapkit-source', script, name]
      const service = spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] })
      const line = await new Promise<string>((resolve) => {
        createInterface(service.stdout).once('line', resolve)
      })
      const { pids } = JSON.parse(line) as { pids: number[] }
      expect(pids.filter(isAlive)).toHaveLength(1)
      service.kill('SIGKILL')
      await until(() => !pids.some(isAlive), 3000)
    },
  )
})

describe('flags that hosts take over', () => {
  test.each([
    [
      ['--conditions=chapkit-source', '--max-old-space-size=100'],
      ['--conditions=chapkit-source', '--max-old-space-size=100'],
    ],
    [
      ['--watch', '--watch-path', './src', '-C', 'chapkit-source'],
      ['-C', 'chapkit-source'],
    ],
    [
      ['--inspect=0', '--inspect-brk', '--inspect-port', '1', '--enable-source-maps'],
      ['--enable-source-maps'],
    ],
    [
      ['--test', '--test-reporter', 'spec', '--experimental-test-coverage'],
      ['--experimental-test-coverage'],
    ],
    [
      ['-e', 'run()', '--import', 'x'],
      ['--import', 'x'],
    ],
    [['-p', '1', '-pe', '2', '--eval', '3', '--print=4'], []],
  ])('%j', (flags, kept) => {
    expect(inheritedFlags(flags)).toEqual(kept)
  })
})
