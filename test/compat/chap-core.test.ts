import { readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, inject } from 'vitest'
import { folderWith } from '../../src/cli/fixtures/run.ts'
import { until } from '../e2e/harness.ts'
import { testWith } from '../setup/needs.ts'
import { serve } from '../setup/serve.ts'
import { startProbe } from './fixtures.ts'
import { runPython, startClient, startRegistry } from './python.ts'
import { recordedFiles } from './recorded-data.ts'
import { type Asked, startRecorder } from './recorder.ts'

/* chap-core and the Python chapkit, as they are installed from PyPI, against services of ours. */

const isMissing = inject('missing').includes('chap-core')
const test = testWith('chap-core')
const examples = resolve(import.meta.dirname, '../../examples')
const brazil = join(examples, 'dengue/dengue_brazil_monthly.csv')
const locations = ['11001', '11002', '11003', '11004', '11005']
const counts = join(import.meta.dirname, 'services/service.ts')

let client: ReturnType<typeof startClient>
beforeAll(() => {
  if (!isMissing) client = startClient()
})
afterAll(() => client?.stop())

test('chap eval takes a URL, and writes a forecast for every location, split and horizon', async () => {
  const { url } = await serve(join(examples, 'dengue/service.ts'))
  const file = join(folderWith(), 'evaluation.nc')
  const { code, out, err } = await runPython('chap', [
    'eval',
    ...['--model-name', url, '--dataset-csv', brazil, '--output-file', file],
    ...['--backtest-params.n-splits', '2', '--backtest-params.n-periods', '3'],
  ])
  expect({ code, said: `${out}${err}` }).toMatchObject({ code: 0 })
  expect(statSync(file).size).toBeGreaterThan(0)
  const { result, error } = await client.call('evaluation', { file })
  expect({ result, error }).toMatchObject({
    result: {
      sizes: { location: 5, time_period: 4, horizon_distance: 3, sample: 100 },
      horizons: [1, 2, 3],
      // Two splits of three months each.
      finite: 5 * 2 * 3 * 100,
      locations,
      version: '1.0.0',
    },
  })
}, 180_000)

test('chap model schema reads the options of a model from its URL', async () => {
  const { url } = await serve(counts)
  const { code, out, err } = await runPython('chap', ['model', 'schema', url])
  expect({ code, err }).toMatchObject({ code: 0 })
  for (const option of ['fails:', 'n_lags:', 'rate:', 'learning-rate:', 'additional_continuous'])
    expect(out).toContain(option)
  expect(out).not.toContain('prediction_periods')
})

test('a URL is known as a service, with all that its template needs', async () => {
  const { url } = await serve(counts, { env: { GIT_REVISION: 'ABCDEF1234567' } })
  const { result } = await client.call('detect', { url })
  expect(result).toMatchObject({
    kind: 'ExternalChapkitModelTemplate',
    commit: 'abcdef1234567',
    template: {
      name: 'counts-in-sh',
      version: '1.0.0',
      rest_api_url: url,
      supported_period_type: 'month',
      min_prediction_periods: 1,
      max_prediction_periods: 6,
      required_covariates: ['rainfall'],
      target: 'disease_cases',
      hpo_search_space: null,
      user_options: {
        n_lags: { type: 'array', items: { type: 'integer' }, default: [3] },
        rate: { type: 'number', default: 0.5 },
        'learning-rate': { type: ['number', 'null'], default: null },
      },
    },
  })
})

test('options come back as they were sent, or the config is refused with what was wrong', async () => {
  const { url } = await serve(counts)
  const configure = async (user_option_values: object, covariates: string[] = []) => {
    const configuration = { user_option_values, additional_continuous_covariates: covariates }
    return client.call('configure', { url, configuration })
  }
  const defaults = { fails: 'never', n_lags: [3], rate: 0.5, 'learning-rate': null }
  for (const [options, covariates] of [
    [{}, []],
    [{ n_lags: [] }, ['humidity']],
    [{ n_lags: [1, 2, 12], rate: 2 }, []],
    [{ rate: 1e-7, 'learning-rate': 0.25 }, []],
    [{ 'learning-rate': null, of_my_own: { deep: [null, true, 'NO'] } }, []],
  ] as [object, string[]][]) {
    expect(await configure(options, covariates)).toEqual({
      result: {
        prediction_periods: 3,
        ...defaults,
        ...options,
        additional_continuous_covariates: covariates,
      },
    })
  }
  expect(await configure({ n_lags: '3' })).toEqual({
    error: expect.stringContaining('body.data.n_lags: Expected array, got "3"'),
  })
})

test('a model of commands is trained and asked for the periods that chap-core wants', async () => {
  const { url } = await serve(counts)
  const call = { url, configuration: {}, data: brazil, periods: 2 }
  const { result, error } = await client.call('forecast', call)
  expect({ result, error }).toEqual({
    result: Object.fromEntries(
      locations.map((location) => [
        location,
        {
          periods: ['201911', '201912'],
          samples: [
            [4, 5.5],
            [4, 5.5],
          ],
        },
      ]),
    ),
  })
})

test('what a failed run has said reaches the error that chap-core shows', async () => {
  const { url } = await serve(counts)
  const fail = async (fails: string, periods = 2) => {
    const configuration = { user_option_values: { fails } }
    const call = { url, configuration, data: brazil, periods }
    return (await client.call('forecast', call)).error
  }
  expect(await fail('train')).toMatch(
    /^ModelFailedException: Training job \w{26} ended with status 'failed': .*exit code 3:\nthe rain of the north is missing[\s\S]*--- stdout ---\ntrain has 1130 rows\n[\s\S]*--- stderr ---\nthe rain of the north is missing\n$/,
  )
  const asked = 'trained with prediction_periods: 2, asked with prediction_periods: 2'
  const predicting = await fail('predict')
  expect(predicting).toMatch(/^ModelFailedException: Prediction job .*'failed': .*exit code 4/)
  expect(predicting).toContain(`--- stdout ---\n${asked}\n`)
  expect(predicting).toContain('--- stderr ---\nthe model does not converge\n')
  expect(await fail('silently')).toMatch(
    new RegExp(`^ModelFailedException: Prediction job [\\s\\S]*--- stdout ---\n${asked}\n`),
  )
  // More than the model is for: it is trained for the most that it can, and asked for too much.
  expect(await fail('never', 9)).toContain(
    'prediction_periods (9, from run_info) exceeds the maximum allowed value (6)',
  )
})

test('a service that registers becomes a model of chap-core, when it says its commit', async () => {
  const registry = await startRegistry()
  try {
    const register = (env: Record<string, string>) =>
      serve(counts, {
        env: {
          SERVICEKIT_ORCHESTRATOR_URL: `${registry.url}/v2/services/$register`,
          SERVICEKIT_HOST: '127.0.0.1',
          ...env,
        },
      })
    const templates = async () => (await fetch(`${registry.url}/v1/crud/model-templates`)).json()
    const said = (service: Awaited<ReturnType<typeof register>>, event: string) =>
      until(`it logs ${event}`, () => service.log.find((entry) => entry.event === event))
    const store = async () => {
      const answer = await fetch(`${registry.url}/v1/crud/model-templates/from-service`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ serviceId: 'counts-in-sh' }),
      })
      return { status: answer.status, json: await answer.json() }
    }

    const unknown = await register({})
    expect(await said(unknown, 'registration.unversioned')).toBeDefined()
    expect(await said(unknown, 'registration.message')).toMatchObject({
      reason: expect.stringContaining('build the image with the GIT_REVISION build arg'),
    })
    expect(await templates()).toEqual([])
    expect(await store()).toMatchObject({
      status: 409,
      json: { detail: expect.stringContaining('GIT_REVISION') },
    })

    const commit = '0123456789abcdef0123456789abcdef01234567'
    const known = await register({ GIT_REVISION: commit })
    await said(known, 'registration.success')
    expect(known.log.map(({ event }) => event)).not.toContain('registration.message')
    expect(await templates()).toMatchObject([
      {
        name: 'counts-in-sh',
        version: '1.0.0',
        usesChapkit: true,
        sourceDigest: commit,
        healthStatus: 'live',
        userOptions: { n_lags: { default: [3] }, rate: { default: 0.5 } },
      },
    ])
    expect(await store()).toMatchObject({ status: 200, json: { name: 'counts-in-sh' } })

    const other = await register({ GIT_REVISION: 'fedcba9876543210' })
    expect(await said(other, 'registration.message')).toMatchObject({
      reason: expect.stringContaining('needs a new version label'),
    })
    expect(await templates()).toMatchObject([{ healthStatus: 'revision_mismatch' }])
    const newer = await register({ GIT_REVISION: 'fedcba9876543210', MODEL_VERSION: '1.1.0' })
    await said(newer, 'registration.success')
    expect(newer.log.map(({ event }) => event)).not.toContain('registration.message')
  } finally {
    await registry.stop()
  }
}, 180_000)

test('the recorded requests are those that it sends', async () => {
  await using probe = await startProbe()
  await using recorder = await startRecorder(await probe.listen())
  const { url } = recorder
  const data = join(folderWith(recordedFiles), 'data.csv')
  const configure = (configuration: object) => client.call('configure', { url, configuration })
  const forecast = (user_option_values: object) =>
    client.call('forecast', { url, configuration: { user_option_values }, data, periods: 2 })
  const conversations: Record<string, () => Promise<unknown>> = {
    detection: () => client.call('detect', { url }),
    async configs() {
      await configure({})
      const user_option_values = { n_lags: 5 }
      await configure({ user_option_values, additional_continuous_covariates: ['humidity'] })
      const row = { id: 7, model_template_id: 1, uses_chapkit: true, archived: false }
      const rest = { user_option_values: {}, additional_continuous_covariates: [] }
      await configure({ name: 'probe-svc:monthly', ...row, ...rest })
    },
    forecast: () => forecast({ n_lags: 5 }),
    failure: () => forecast({ behaviour: 'throw' }),
  }
  for (const [name, talk] of Object.entries(conversations)) {
    await talk()
    const file = new URL(`./recorded/${name}.json`, import.meta.url)
    const { client: who, exchanges } = JSON.parse(readFileSync(file, 'utf8'))
    expect(who).toBe('chap-core 2.5.1')
    const recorded = exchanges.map(({ request }: { request: Asked }) => request)
    expect(distinct(recorder.take()), name).toEqual(distinct(recorded))
  }
})

/** Requests in the order in which they come first, with ids and times of no moment. */
function distinct(requests: readonly Asked[]): unknown[] {
  const texts = requests.map(({ method, path, headers, body }) =>
    JSON.stringify({ method, path, headers, body: sorted(body) })
      .replace(/\{\w+\}|\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b/g, '(id)')
      .replace(/_\d{16}\b/g, '_(time)'),
  )
  return [...new Set(texts)].map((text) => JSON.parse(text))
}

/** The order of keys means nothing. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const keys = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(keys.map(([key, each]) => [key, sorted(each)]))
}

test('the test command of the Python chapkit passes', async () => {
  const { url } = await serve(counts)
  // It is there in projects only.
  const cwd = folderWith({ 'pyproject.toml': '[project]\ndependencies = ["chapkit"]\n' })
  const { code, out, err } = await runPython('chapkit', ['test', '--url', url], { cwd })
  expect({ code, said: `${out}${err}` }).toMatchObject({ code: 0 })
  expect(out).toMatch(/passed/i)
})
