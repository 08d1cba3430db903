import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createClient } from '../client/index.ts'
import { chapkit, folderWith, type RunOptions, run, start } from './fixtures/run.ts'
import { futureCsv, listen, trainCsv } from './fixtures/service.ts'

let service: Awaited<ReturnType<typeof listen>>
beforeAll(async () => {
  service = await listen()
})
afterAll(() => service.close())

const data = () => folderWith({ 'train.csv': trainCsv, 'future.csv': futureCsv })
const use = (args: string[], { env, ...options }: RunOptions = {}) =>
  run(args, { ...options, env: { CHAPKIT_URL: service.url, ...env } })

/** What a command prints with `--json`, which is the only thing that it prints. */
async function json(args: string[], options: RunOptions = {}) {
  const { code, out, err } = await use([...args, '--json'], options)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out)
}

async function aModel(cwd: string): Promise<string> {
  return (await json(['train', 'train.csv'], { cwd })).artifact_id
}

const idPattern = /[0-9A-HJKMNP-TV-Z]{26}/

describe('train and predict', () => {
  test('a model is trained and asked with two CSV files, and each says how to go on', async () => {
    const cwd = data()
    const trained = await use(['train', 'train.csv'], { cwd })
    expect(trained.code).toBe(0)
    expect(trained.out).toMatch(
      /^Trained the model \w{26} with 4 rows and the config 'default'\nPredict with it: chapkit predict --model \w{26} HIST/,
    )
    const predicted = await use(['predict', 'train.csv', 'future.csv'], { cwd })
    expect(predicted.out).toBe(
      [
        'location  period   median  90 % interval',
        'north     2024-03    6.00   4.20 to 7.80',
        'south     2024-03    6.00   4.20 to 7.80',
        '',
      ].join('\n'),
    )
    expect(predicted.err).toMatch(/^chapkit: this is the prediction \w{26} of the model \w{26}\n$/)
  })

  test('with --json a training prints one document and nothing else', async () => {
    const trained = await json(['train', 'train.csv'], { cwd: data() })
    expect(trained).toMatchObject({
      artifact_id: expect.stringMatching(idPattern),
      config_id: expect.stringMatching(idPattern),
      job: { status: 'completed' },
    })
  })

  test('data may come from stdin, and a config be made for it', async () => {
    const trained = await json(
      ['train', '-', '--config', 'from-stdin', '--config-data', 'prediction_periods=2'],
      { input: trainCsv },
    )
    const { configs } = createClient({ url: service.url })
    expect(await configs.get(trained.config_id)).toMatchObject({
      name: 'from-stdin',
      data: { prediction_periods: 2 },
    })
  })

  test('a training that fails ends with 1, its reason and what the model has said', async () => {
    const { code, out, err } = await use(['train', 'train.csv', '--config-data', 'mode=fail'], {
      cwd: data(),
    })
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toMatch(
      /^chapkit: The train job \w{26} failed: Error: The data of the north is missing\n {2}training with 4 rows\nAll of its log: chapkit job logs \w{26}\n$/,
    )
  })

  test('--logs shows what the model says', async () => {
    const { err } = await use(['train', 'train.csv', '--logs'], { cwd: data() })
    expect(err).toContain('training with 4 rows\n')
  })

  test('a forecast is written whole, and over nothing', async () => {
    const cwd = data()
    await aModel(cwd)
    const args = ['predict', 'train.csv', 'future.csv', '-o', 'forecast.csv']
    expect((await use(args, { cwd })).out).toMatch(/^Wrote the forecast to forecast.csv/)
    const text = readFileSync(join(cwd, 'forecast.csv'), 'utf8')
    expect(text).toMatch(/^time_period,location,sample_0.*\r\n2024-03,north,4,/)

    writeFileSync(join(cwd, 'forecast.csv'), 'mine')
    expect(await use(args, { cwd })).toMatchObject({
      code: 1,
      err: 'chapkit: forecast.csv is there already; name another with -o, or add --force\n',
    })
    expect(readFileSync(join(cwd, 'forecast.csv'), 'utf8')).toBe('mine')
    expect((await use([...args, '--force'], { cwd })).code).toBe(0)
    expect(readFileSync(join(cwd, 'forecast.csv'), 'utf8')).toBe(text)
    expect(readdirSync(cwd).sort()).toEqual(['forecast.csv', 'future.csv', 'train.csv'])
  })

  test('without the periods to forecast it says which, and what their file has to hold', async () => {
    const { code, err } = await use(['predict', 'train.csv'], { cwd: data() })
    expect(code).toBe(2)
    expect(err).toContain('from 2024-03 on')
    expect(err).toContain('with the header time_period,location (no disease_cases)')
  })

  test('Ctrl-C leaves the training alone and says how to get back to it', async () => {
    const watched = start([...chapkit, 'train', 'train.csv', '--config-data', 'mode=wait'], {
      cwd: data(),
      env: { CHAPKIT_URL: service.url },
    })
    await watched.says(/half of it/)
    watched.child.kill('SIGINT')
    const { code, err } = await watched.ended
    expect(code).toBe(130)
    const [, id = ''] =
      /the job goes on. See it with chapkit job watch (\w{26}), stop it with chapkit job cancel \1\n$/.exec(
        err,
      ) ?? []
    const { jobs } = createClient({ url: service.url })
    expect(await jobs.get(id)).toMatchObject({ status: 'running' })
    service.open()
    expect(await jobs.wait(id)).toMatchObject({ status: 'completed' })
  })
})

describe('config', () => {
  test('is made, listed and changed by value', async () => {
    const made = await json(['config', 'create', 'weekly', '--set', 'prediction_periods=2'])
    expect(made).toMatchObject({ name: 'weekly', data: { prediction_periods: 2, mode: 'quick' } })
    expect((await use(['config', 'ls'])).out).toContain(`${made.id}  weekly`)
    const changed = await json(['config', 'edit', 'weekly', '--set', 'prediction_periods=6'])
    expect(changed).toMatchObject({ id: made.id, data: { prediction_periods: 6, mode: 'quick' } })
  })

  test('that the service refuses is told by its field', async () => {
    expect(await use(['config', 'create', 'bad', '--set', 'mode=slow'])).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('chapkit: data.mode: '),
    })
  })

  test('is read from a YAML file, with single values on top', async () => {
    const cwd = folderWith({ 'c.yml': 'prediction_periods: 9\nmode: fail\n' })
    const args = ['config', 'create', 'file', '--data', 'c.yml', '--set', 'mode=quick']
    expect((await json(args, { cwd })).data).toMatchObject({ prediction_periods: 9, mode: 'quick' })
  })

  test('asks for a value where there is no terminal for an editor', async () => {
    await json(['config', 'create', 'unseen'])
    const { code, err } = await use(['config', 'edit', 'unseen'])
    expect(code).toBe(2)
    expect(err).toContain('--set key=value')
  })

  test('with a name that several have is asked for by its id', async () => {
    const { id } = await json(['config', 'create', 'twin'])
    await json(['config', 'create', 'twin'])
    const { code, err } = await use(['train', 'train.csv', '--config', 'twin'], { cwd: data() })
    expect(code).toBe(1)
    expect(err).toContain(`2 configs are named 'twin': name one by its id: ${id}`)
  })
})

describe('artifact', () => {
  test('list and tree show a model and what was made from it', async () => {
    const cwd = data()
    const model = await aModel(cwd)
    const { artifact_id: prediction } = await json(['predict', 'train.csv', 'future.csv'], { cwd })
    expect((await use(['artifact', 'list', '--type', 'model', '--limit', '1'])).out).toMatch(
      new RegExp(`^id .*\n${model}  model  success`),
    )
    const tree = (await use(['artifact', 'tree', model])).out
    expect(tree).toMatch(new RegExp(`^${model}  model .*\n└─ ${prediction}  prediction`))
  })

  test('download writes the bytes of the service, and over nothing', async () => {
    const cwd = data()
    const model = await aModel(cwd)
    const args = ['artifact', 'download', model, '-o', 'model.zip']
    expect((await use(args, { cwd })).code).toBe(0)
    const { artifacts } = createClient({ url: service.url })
    const bytes = Buffer.from(await artifacts.download(model))
    expect(readFileSync(join(cwd, 'model.zip')).equals(bytes)).toBe(true)
    expect(await use(args, { cwd })).toMatchObject({ code: 1, out: '' })
    expect(readdirSync(cwd).sort()).toEqual(['future.csv', 'model.zip', 'train.csv'])
  })

  test('download to - prints the content alone', async () => {
    const cwd = data()
    await aModel(cwd)
    const { artifact_id: id } = await json(['predict', 'train.csv', 'future.csv'], { cwd })
    const { code, out, err } = await use(['artifact', 'download', id, '--format', 'csv', '-o', '-'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^time_period,location,sample_0/)
  })
})

describe('job', () => {
  test('watch --json prints each state on a line and ends with that of the job', async () => {
    const { job_id: id } = await json(['train', 'train.csv', '--no-wait'], { cwd: data() })
    const { code, out, err } = await use(['job', 'watch', id, '--json'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const states = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).status)
    expect(states.at(-1)).toBe('completed')
  })

  test('cancel stops a job, whose watch then ends with 1', async () => {
    const { job_id: id } = await json(
      ['train', 'train.csv', '--no-wait', '--config-data', 'mode=wait'],
      { cwd: data() },
    )
    const watching = start([...chapkit, 'job', 'watch', id, '--url', service.url])
    await watching.says(/half of it/)
    expect((await use(['job', 'cancel', id])).code).toBe(0)
    expect(await watching.ended).toMatchObject({ code: 1, out: '' })
    expect(watching.text.err).toContain(`The train job ${id} was canceled`)
  })

  test('list and logs show what runs and what it says', async () => {
    await aModel(data())
    expect((await use(['job', 'list', '--limit', '1'])).out).toMatch(
      /^id .*\n\w{26} {2}train {2}completed/,
    )
    expect((await use(['job', 'logs', 'latest'])).out).toBe('training with 4 rows\n')
    expect((await use(['job', 'logs', 'latest', '--follow'])).out).toBe('training with 4 rows\n')
  })
})

describe('test', () => {
  test('drives the service to a forecast, in parallel, and takes away what it has made', async () => {
    const { configs, artifacts } = createClient({ url: service.url })
    const before = [await configs.count(), await artifacts.count()]
    const report = await json([
      ...['test', '--configs', '2', '--trainings', '2', '--predictions', '2'],
      ...['--parallel', '3', '--delay', '0', '--seed', '7'],
    ])
    expect(report).toMatchObject({ ok: true, failures: [] })
    const times = Object.fromEntries(
      report.steps.map(({ step, ok }: { step: string; ok: number }) => [step, ok]),
    )
    expect(times).toEqual({
      ...{ health: 1, info: 1, config: 2, validate: 12, train: 4, model: 4 },
      ...{ predict: 8, forecast: 8, tree: 4, delete: 1 },
    })
    expect([await configs.count(), await artifacts.count()]).toEqual(before)
  })

  test('ends with 1 and says what failed', async () => {
    const { code, out } = await use(['test', '--url', `${service.url}/elsewhere`])
    expect(code).toBe(1)
    expect(out).toContain('has failed 1 of the steps:\n  health: ')
  })

  test('starts a service of its own, whose data goes with it', async () => {
    const cwd = folderWith({
      'service.ts': `
import { FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
const runner = new FunctionalModelRunner({
  onTrain: ({ data }) => data.length,
  onPredict: ({ future, model }) => future.derive('sample_0', () => model),
})
const info = { id: 'own', display_name: 'Own', period_type: 'weekly' } as const
export default new MLServiceBuilder({ info, runner }).build()
`,
    })
    expect(await json(['test', '--start-service'], { cwd })).toMatchObject({ ok: true })
    expect(readdirSync(cwd)).toEqual(['service.ts'])
  })
})

describe('what cannot be used', () => {
  test.each<[string, string[], number, string]>([
    ['a file that is not there', ['train', 'nope.csv'], 1, 'There is no file nope.csv'],
    ['a folder', ['train', '.'], 1, 'Expected a file, got the folder .'],
    [
      'an empty file',
      ['train', 'empty.csv'],
      1,
      'empty.csv is empty: expected CSV with a header line',
    ],
    ['a file without rows', ['train', 'header.csv'], 1, 'header.csv has a header but no rows'],
    [
      'a row that is too short',
      ['train', 'ragged.csv'],
      1,
      'ragged.csv:3: Expected 3 cells as in the header, got 2',
    ],
    [
      'a word where a number belongs',
      ['train', 'word.csv'],
      1,
      'word.csv:3: Expected a number in column `disease_cases`, got "x"',
    ],
    [
      'semicolons',
      ['train', 'semicolons.csv'],
      1,
      'semicolons.csv:1: expected commas between the columns, got semicolons; save it as CSV with commas',
    ],
    [
      'a spreadsheet',
      ['train', 'sheet.csv'],
      1,
      'sheet.csv is not CSV but a spreadsheet or another binary file: save it as CSV (UTF-8)',
    ],
    ['a map that is none', ['train', 'good.csv', '--geo', 'good.csv'], 1, 'good.csv is not JSON:'],
    [
      'a URL that is none',
      ['train', 'good.csv', '--url', 'localhost'],
      2,
      "Expected --url to be a URL such as http://127.0.0.1:8000, got 'localhost'",
    ],
    [
      'a config that is not there',
      ['train', 'good.csv', '--config', 'nope'],
      5,
      "The service has no config 'nope'",
    ],
    [
      'an id that is none',
      ['job', 'watch', 'nope'],
      2,
      "Expected the id of a job, or latest, got 'nope'",
    ],
    ['a job that is not there', ['job', 'logs', '01M82EBCXSJH55R1P2FPAESF2G'], 5, 'not found'],
    [
      'an interval that is none',
      ['predict', 'good.csv', 'good.csv', '--interval', '200'],
      2,
      "--interval: expected percent from 1 to 99, got '200'",
    ],
  ])('%s ends with one line and its exit code', async (_name, args, code, reason) => {
    const cwd = folderWith({
      'good.csv': trainCsv,
      'empty.csv': '',
      'header.csv': 'time_period,location,disease_cases\n',
      'ragged.csv': 'time_period,location,disease_cases\n2024-01,a,1\n2024-02,a\n',
      'word.csv': 'time_period,location,disease_cases\n2024-01,a,1\n2024-02,a,x\n',
      'semicolons.csv': 'time_period;location;disease_cases\n2024-01;a;1\n',
      'sheet.csv': 'PK\u0003\u0004',
    })
    const ended = await use(args, { cwd })
    expect({ code: ended.code, out: ended.out }).toEqual({ code, out: '' })
    expect(ended.err).toContain(`chapkit: ${reason}`.replace('chapkit: not', 'not'))
    expect(
      ended.err
        .replace(/\(add --help.*\)\n/, '')
        .trimEnd()
        .split('\n'),
    ).toHaveLength(1)
    expect(ended.err).not.toContain('    at ')
  })

  test('a service that is down ends with 3 and says how to start one', async () => {
    const down = await listen()
    await down.close()
    expect(await run(['job', 'list', '--url', down.url])).toEqual({
      code: 3,
      out: '',
      err: `chapkit: No service answers at ${down.url}. Start one with chapkit dev, or name another with --url\n`,
    })
  })

  test.each([200, 404])('another server there, which answers %d, ends with 3', async (status) => {
    const other = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>Printer</h1>')
    })
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
    onTestFinished(() => void other.close())
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    const { code, err } = await run(['config', 'list', '--url', url])
    expect(code).toBe(3)
    expect(err).toMatch(/^chapkit: Expected .* chapkit service.*\n$/)
  })

  test('a service that wants a key ends with 4, takes one from the environment, and shows none', async () => {
    const locked = await listen({ apiKey: 'a-key-that-nobody-can-guess-0000' })
    onTestFinished(() => locked.close())
    const refused = await run(['job', 'list', '--url', locked.url])
    expect(refused.code).toBe(4)
    expect(refused.err).toContain('CHAPKIT_API_KEY')
    const env = { CHAPKIT_API_KEY: 'a-key-that-nobody-can-guess-0000' }
    expect((await run(['job', 'list', '--url', locked.url], { env })).code).toBe(0)

    const key = 'another-key-of-somebody-else-0000'
    const wrong = await run(['job', 'list', '--url', locked.url, '--api-key', key])
    expect(wrong.code).toBe(4)
    expect(wrong.err).toContain('others on this machine can see a key on a command line')
    expect(wrong.err).not.toContain(key)
  })
})

describe('output', () => {
  const shell = (script: string) =>
    start(['sh', '-c', script, ...chapkit], { env: { CHAPKIT_URL: service.url } }).ended

  test('that has no room is told, with 1', async () => {
    expect(await shell('"$0" "$@" config list > /dev/full')).toEqual({
      code: 1,
      out: '',
      err: 'chapkit: the output cannot be written: its disk is full\n',
    })
  })

  test('that nobody reads any more ends the command silently', async () => {
    const { out, err } = await shell('{ "$0" "$@" artifact --help; echo $? >&2; } | true')
    expect(out).toBe('')
    expect(err).toBe('0\n')
  })

  test('to a file has no colours and no bar', async () => {
    const { out, err } = await use(['config', 'list'], { env: { NO_COLOR: undefined } as never })
    expect(out + err).not.toContain('\u001b')
  })

  test('into a folder that is not there changes nothing', async () => {
    const cwd = data()
    await aModel(cwd)
    const ended = await use(['predict', 'train.csv', 'future.csv', '-o', 'no/forecast.csv'], {
      cwd,
    })
    expect(ended).toMatchObject({
      code: 1,
      err: 'chapkit: no/forecast.csv cannot be written: there is no folder no; make it first\n',
    })
    expect(existsSync(join(cwd, 'no'))).toBe(false)
  })
})
