import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../client/index.ts'
import { chapkit, folderWith, start } from './fixtures/run.ts'
import { listen, trainCsv } from './fixtures/service.ts'
import { createUse, data } from './fixtures/use.ts'

let service: Awaited<ReturnType<typeof listen>>
beforeAll(async () => {
  service = await listen()
})
afterAll(() => service.close())

const { aModel, json, use } = createUse(() => service.url)
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
    expect(text).toMatch(/^time_period,location,sample_0.*\n2024-03,north,4,/)

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

  test('files as a spreadsheet writes them are read when it is told how', async () => {
    const cwd = folderWith({
      'cas.csv':
        '\ufeffDate;Région;disease_cases;rainfall\r\n31/01/2024;Tillabéri;12;71,5\r\n29/02/2024;Tillabéri;18;3\r\n',
      'suite.csv': '\ufeffDate;Région\r\n31/03/2024;Tillabéri\r\n',
    })
    const how = ['--delimiter', 'semicolon', '--decimal', ',', '--date-format', '%d/%m/%Y']
    const names = ['--map', 'Date=time_period', '--map', 'Région=location']
    const trained = await json(['train', 'cas.csv', ...how, ...names], { cwd })
    const { artifacts } = createClient({ url: service.url })
    const archive = Buffer.from(await artifacts.download(trained.artifact_id))
    expect(archive.includes('2024-01,Tillabéri,12,71.5\n2024-02,Tillabéri,18,3\n')).toBe(true)
    const predicted = await json(['predict', 'cas.csv', 'suite.csv', ...how, ...names], { cwd })
    expect(predicted.prediction.data).toEqual([['2024-03', 'Tillabéri', 2, 3, 4, 5, 6]])
  })

  test('decimal commas are read in the covariates of a config, too, and points refused there', async () => {
    const file = (wind: string) =>
      `time_period;location;disease_cases;wind\n2024-01;a;1;${wind}\n2024-02;a;1;007\n`
    const cwd = folderWith({
      'commas.csv': file('71,5'),
      'points.csv': file('1.234'),
      'next.csv': 'time_period;location;wind\n2024-03;a;1.234\n',
    })
    const how = ['--delimiter', 'semicolon', '--decimal', ',']
    const config = ['--config-data', '{"additional_continuous_covariates": ["wind"]}']
    const trained = await json(['train', 'commas.csv', ...how, ...config], { cwd })
    const { artifacts } = createClient({ url: service.url })
    const archive = Buffer.from(await artifacts.download(trained.artifact_id))
    expect(archive.includes('2024-01,a,1,71.5\n2024-02,a,1,7\n')).toBe(true)

    const refused = ':2: Expected a number in column `wind`, got "1.234"'
    const { code, err } = await use(['train', 'points.csv', ...how, ...config], { cwd })
    expect(code).toBe(1)
    expect(err).toContain(`points.csv${refused}`)
    const predicted = await use(['predict', 'commas.csv', 'next.csv', ...how], { cwd })
    expect(predicted.code).toBe(1)
    expect(predicted.err).toContain(`next.csv${refused}`)
  })

  test('columns that models go by are missed with the option that renames one', async () => {
    const cwd = folderWith({ 'a.csv': 'month,District,disease_cases\n2024-01,a,1\n' })
    const { code, err } = await use(['train', 'a.csv'], { cwd })
    expect(code).toBe(0)
    expect(err).toContain(
      'a.csv:1: has no column time_period, which models go by; it has month, District, disease_cases; --map month=time_period renames one',
    )
    expect(err).toContain('--map District=location renames one')
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
