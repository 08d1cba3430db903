import { BaseConfig, type FrameJson, FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/** Forecasts the mean of each location, which it finds by its text. */
const runner = new FunctionalModelRunner({
  config: BaseConfig,
  onTrain: ({ data }) => {
    const means = data.groupBy('location').aggregate({ mean: ['disease_cases', 'mean'] })
    return new Map(means.toRecords().map(({ location, mean }) => [location, Number(mean)]))
  },
  onPredict: ({ model, future }) =>
    future
      .select(['time_period', 'location'])
      .derive('sample_0', ({ location }) => model.get(location) ?? 0),
})
const info = {
  id: 'means',
  display_name: 'Means',
  period_type: 'monthly',
  required_covariates: ['ndvi'],
} as const

let service: TestService
beforeAll(async () => {
  service = await createTestService(new MLServiceBuilder({ info, runner }).build())
})
afterAll(() => service.close())

const json = { 'content-type': 'application/json' }
const columns = ['time_period', 'location', 'disease_cases', 'ndvi']

async function config(data: object = {}): Promise<string> {
  return (await service.request('POST', '/api/v1/configs', { name: 'c', data })).json.id
}
async function trainCsv(text: string, query = '', options: object = {}) {
  const url = `/api/v1/ml/$train?config_id=${await config(options)}${query}`
  return service.request('POST', url, text, { 'content-type': 'text/csv', prefer: 'wait=30' })
}
async function train(data: FrameJson, options: object = {}) {
  const body = { config_id: await config(options), data }
  return service.request('POST', '/api/v1/ml/$train', body, { ...json, prefer: 'wait=30' })
}
async function predict(artifactId: string, future: FrameJson) {
  const historic = { columns, data: [] }
  const body = { artifact_id: artifactId, historic, future }
  return service.request('POST', '/api/v1/ml/$predict', body, { ...json, prefer: 'wait=30' })
}
async function validate(data: FrameJson, options: object = {}) {
  const body = { type: 'train', config_id: await config(options), data }
  return (await service.request('POST', '/api/v1/ml/$validate', body)).json
}
const errorsOf = ({ status, json }: { status: number; json: { errors?: unknown } }) => ({
  status,
  errors: json.errors,
})

describe('codes of locations and periods', () => {
  const csv = 'time_period,location,disease_cases,ndvi\n202401,7,12,0.1\n202402,7,18,0.2\n'

  test.each([
    ['text', ['202403', '7', 0.1]],
    ['numbers', [202403, 7, 0.1]],
  ])('that come as %s meet those of a CSV file', async (_how, row) => {
    const { json: trained } = await trainCsv(csv)
    const future = { columns: ['time_period', 'location', 'ndvi'], data: [row as never] }
    const { json: predicted } = await predict(trained.artifact_id, future)
    expect(predicted.prediction.data).toEqual([['202403', '7', 15]])
  })

  test('that are numbers in training data meet text', async () => {
    const { json: trained } = await train({ columns, data: [[202401, 7, 12, 0.1]] })
    const future = { columns: ['time_period', 'location', 'ndvi'], data: [['202403', '7', 1]] }
    const { json: predicted } = await predict(trained.artifact_id, future)
    expect(predicted.prediction.data).toEqual([['202403', '7', 12]])
  })

  test('that are neither are refused with their row', async () => {
    const data = {
      columns,
      data: [
        ['2024-01', 'a', 1, 1],
        [2024.5, true, 1, 1],
        ['2024-03', null, 1, 1],
      ],
    }
    expect(errorsOf(await train(data as FrameJson))).toEqual({
      status: 422,
      errors: [
        {
          loc: ['body', 'data', 'data', 1, 0],
          msg: 'Expected text in column `time_period`, row 1, got 2024.5',
          type: 'column_type',
        },
        {
          loc: ['body', 'data', 'data', 1, 1],
          msg: 'Expected text in column `location`, row 1, got true',
          type: 'column_type',
        },
        {
          loc: ['body', 'data', 'data', 2, 1],
          msg: 'Expected a location in column `location`, row 2, got nothing',
          type: 'column_type',
        },
      ],
    })
  })
})

describe('a number', () => {
  test.each<[string, string, unknown]>([
    ['3e5', 'population', 300_000],
    ['NA', 'disease_cases', null],
    ['', 'disease_cases', null],
    ['0.50', 'ndvi', 0.5],
    ['+7', 'rainfall', 7],
  ])('written as %j in %s is the same in CSV and in JSON', async (cell, column, value) => {
    const names = [...new Set([...columns, column])]
    const usual = { time_period: '2024-01', location: 'a', disease_cases: '1', ndvi: '1' }
    const row = names.map((name) => ({ ...usual, [column]: cell })[name]!)
    const fromCsv = await trainCsv(`${names.join()}\n${row.join()}\n`)
    const fromJson = await train({ columns: names, data: [row] })
    for (const { status, json: trained } of [fromCsv, fromJson]) {
      expect(status).toBe(200)
      const { bytes } = await service.request(
        'GET',
        `/api/v1/artifacts/${trained.artifact_id}/$download`,
      )
      const expected = row.map((text, at) => (names[at] === column ? (value ?? '') : text))
      expect(bytes.includes(`\n${expected.join()}\n`)).toBe(true)
    }
  })

  test.each([
    ['nan', 'leave the cell empty'],
    ['<5', 'a range is no number'],
    ['5*', 'got "5*"'],
    ['71,5', '?decimal=, reads decimal commas'],
    ['1,234', '?decimal=, reads decimal commas'],
    [' ', 'leave the cell empty'],
    ['inf', 'got "inf"'],
  ])('cannot be %j, at any door', async (cell, reason) => {
    const csv = await trainCsv(
      `time_period,location,disease_cases,ndvi\n2024-01,a,1,1\n2024-02,a,"${cell}",1\n`,
    )
    const [issue] = csv.json.errors
    expect({ status: csv.status, loc: issue.loc }).toEqual({ status: 422, loc: ['body', 3] })
    expect(issue.msg).toContain('in column `disease_cases`')
    expect(issue.msg).toContain(reason)

    const data = {
      columns,
      data: [
        ['2024-01', 'a', 1, 1],
        ['2024-02', 'a', cell, 1],
      ],
    }
    const sent = await train(data as FrameJson)
    expect(sent.status).toBe(422)
    expect(sent.json.errors[0].loc).toEqual(['body', 'data', 'data', 1, 2])
    const verdict = await validate(data as FrameJson)
    expect(verdict).toMatchObject({
      valid: false,
      diagnostics: [{ severity: 'error', code: 'column_type', field: 'data.data.1.2' }],
    })
    expect(verdict.diagnostics[0].message).toBe(sent.json.errors[0].msg)
  })

  test('in a large body is read in the same way', async () => {
    const rows = Array.from({ length: 20_000 }, (_, row) => ['2024-01', `place ${row}`, '3e5', 1])
    const bad = [...rows, ['2024-01', 'x', '<5', 1]]
    expect((await train({ columns, data: rows } as FrameJson)).status).toBe(200)
    const { status, json: problem } = await train({ columns, data: bad } as FrameJson)
    expect(status).toBe(422)
    expect(problem.errors[0].loc).toEqual(['body', 'data', 'data', 20_000, 2])
  })
})

describe('numbers beyond 2^53 and text that no file has', () => {
  const body = async (cells: string) =>
    `{"config_id":"${await config()}","data":{"columns":${JSON.stringify(columns)},"data":[["2024-01","a",${cells}]]}}`
  const send = async (cells: string) =>
    service.request('POST', '/api/v1/ml/$train', await body(cells), { ...json, prefer: 'wait=30' })
  const csvOf = async ({ artifact_id: id }: { artifact_id: string }) =>
    (await service.request('GET', `/api/v1/artifacts/${id}/$download`)).bytes

  test.each([
    ['1e20', '100000000000000000000', '1e+20'],
    ['9007199254740992', '9007199254740992.0', '9.007199254740992e+15'],
  ])('%s is the same number as JSON and as CSV', async (one, other, stored) => {
    const asJson = await send(`${one},${other}`)
    const asCsv = await trainCsv(`${columns}\n2024-01,a,${one},${other}\n`)
    for (const { json: trained } of [asJson, asCsv])
      expect((await csvOf(trained)).includes(`2024-01,a,${stored},${stored}\n`)).toBe(true)
  })

  test.each([
    ['9007199254740993,1', 'body'],
    ['"9007199254740993",1', 'body,data,data,0,2'],
    ['1,"\\ud83d"', 'body,data,data,0,3'],
    ['1,"1\\u0000"', 'body,data,data,0,3'],
  ])('%s is refused', async (cells, loc) => {
    const { status, json: problem } = await send(cells)
    expect(status).toBe(422)
    expect(String(problem.errors?.[0].loc ?? 'body')).toBe(loc)
  })
})

describe('what a model will hardly understand', () => {
  const warn = (code: string, field: string, message: string) => ({
    severity: 'warning',
    ...{ code, message, field },
  })

  test('is told when it is asked for, and submitted nevertheless', async () => {
    const data = {
      columns: ['time_period', 'Location', 'disease_cases', 'ndvi'],
      data: [
        ['2024-01', 'a', 1, 1] as never,
        ['2024W5', 'a', 1, 1] as never,
        ['soon', 'a', 1, 1] as never,
      ],
    }
    expect(await validate(data)).toEqual({
      valid: true,
      diagnostics: [
        warn(
          'key_column_missing',
          'data',
          'Expected a column `location` in data, which models go by, got "time_period", "Location", "disease_cases", "ndvi"',
        ),
        warn(
          'period_type_mismatch',
          'data.data.1.0',
          'Expected a month, as this service is monthly, in column `time_period`, row 1, got "2024W5", which is a week',
        ),
        warn(
          'period_unknown',
          'data.data.2.0',
          'Expected a period such as 2024-01 or 2024-W05 in column `time_period`, row 2, got "soon"',
        ),
      ],
    })
    expect((await train(data)).status).toBe(200)
  })

  test('is nothing where periods are those of the service, in any form', async () => {
    const periods = ['2024-01', '202402', '2024-03-01/2024-03-31']
    const data = { columns, data: periods.map((period) => [period, 'a', 1, 1] as never) }
    expect(await validate(data)).toEqual({ valid: true, diagnostics: [] })
  })
})

describe('covariates', () => {
  const bare = { columns: columns.slice(0, 3), data: [['2024-01', 'a', 1]] }
  const missing = {
    code: 'required_covariates_missing',
    message:
      'Expected the covariates `ndvi` in data, got the columns "time_period", "location", "disease_cases"',
  }

  test('that the service requires have to be there', async () => {
    expect(errorsOf(await train(bare))).toEqual({
      status: 422,
      errors: [{ loc: ['body', 'data'], msg: missing.message, type: missing.code }],
    })
    expect(await validate(bare)).toEqual({
      valid: false,
      diagnostics: [{ severity: 'error', field: 'data', ...missing }],
    })
    const csv = await trainCsv('time_period,location,disease_cases\n2024-01,a,1\n')
    expect(csv.json.errors).toEqual([
      {
        loc: ['body', 1],
        msg: 'Expected `ndvi` among the columns, got "time_period", "location", "disease_cases"; ?map=NAME=ndvi renames a column',
        type: 'missing_column',
      },
    ])
  })

  test('have to be there for a prediction, too', async () => {
    const { json: trained } = await train({ columns, data: [['2024-01', 'a', 1, 1]] })
    const future = { columns: ['time_period', 'location'], data: [['2024-02', 'a']] }
    const { status, json: problem } = await predict(trained.artifact_id, future)
    expect({ status, loc: problem.errors[0].loc }).toEqual({ status: 422, loc: ['body', 'future'] })
  })

  test('of the config are read as numbers, or refused with their row', async () => {
    const options = { additional_continuous_covariates: ['wind'] }
    const more = (cell: string) => ({
      columns: [...columns, 'wind'],
      data: [['2024-01', 'a', 1, 1, 3] as never, ['2024-02', 'a', 1, 1, cell] as never],
    })
    const { json: trained } = await train(more('3e5'), options)
    const { bytes } = await service.request(
      'GET',
      `/api/v1/artifacts/${trained.artifact_id}/$download`,
    )
    expect(bytes.includes('2024-02,a,1,1,300000\n')).toBe(true)
    expect(errorsOf(await train(more('calm'), options))).toEqual({
      status: 422,
      errors: [
        {
          loc: ['body', 'data', 'data', 1, 4],
          msg: 'Expected a number in column `wind`, row 1, got "calm"',
          type: 'column_type',
        },
      ],
    })
    expect((await train({ columns, data: [['2024-01', 'a', 1, 1]] }, options)).status).toBe(422)
  })
})

describe('a CSV file that is written otherwise', () => {
  const french =
    'Date;Lieu;disease_cases;ndvi\r\n31/01/2024;Zinder;12;0,5\r\n29/02/2024;Zinder;18;1\r\n'

  test('is refused with the parameter that reads it', async () => {
    const { status, json: problem } = await trainCsv(french)
    expect(status).toBe(422)
    expect(problem.errors[0].msg).toBe(
      'Expected commas between the columns, got semicolons; ?delimiter=semicolon reads them',
    )
  })

  test('is read with parameters of the query', async () => {
    const how = `&delimiter=;&decimal=,&map=Date=time_period&map=Lieu%3Dlocation&date_format=${encodeURIComponent('%d/%m/%Y')}`
    const { status, json: trained } = await trainCsv(french, how)
    expect(status).toBe(200)
    const { bytes } = await service.request(
      'GET',
      `/api/v1/artifacts/${trained.artifact_id}/$download`,
    )
    expect(
      bytes.includes(
        'time_period,location,disease_cases,ndvi\n2024-01,Zinder,12,0.5\n2024-02,Zinder,18,1\n',
      ),
    ).toBe(true)
  })

  test('is read so in the covariates of the config, too, whatever stands beside a number', async () => {
    const options = { additional_continuous_covariates: ['wind'] }
    const file = (wind: string) =>
      `time_period;location;disease_cases;ndvi;wind\n2024-01;a;1;1;${wind}\n2024-02;a;1;1;007\n`
    const how = '&delimiter=;&decimal=,'
    const { json: trained } = await trainCsv(file('71,5'), how, options)
    const { bytes } = await service.request(
      'GET',
      `/api/v1/artifacts/${trained.artifact_id}/$download`,
    )
    expect(bytes.includes('2024-01,a,1,1,71.5\n2024-02,a,1,1,7\n')).toBe(true)
    const { status, json: problem } = await trainCsv(file('1.234'), how, options)
    expect(status).toBe(422)
    expect(problem.errors.map(({ msg }: { msg: string }) => msg)).toEqual([
      'Expected a number in column `wind`, row 0, got "1.234": write thousands without separators',
    ])
  })

  test('with parameters that cannot be is refused by name', async () => {
    for (const [name, value] of [
      ['delimiter', 'x'],
      ['decimal', ';'],
      ['map', 'date'],
      ['date_format', '%q'],
    ] as const) {
      const { status, json: problem } = await trainCsv(
        french,
        `&${name}=${encodeURIComponent(value)}`,
      )
      expect(status).toBe(422)
      expect(problem.errors[0].loc).toEqual(['query', name])
    }
  })

  test('and read in another way is another request under the same idempotency key', async () => {
    const url = `/api/v1/ml/$train?config_id=${await config()}`
    const headers = { 'content-type': 'text/csv', 'idempotency-key': 'same-file' }
    const text = 'time_period,location,disease_cases,ndvi\n2024-01,a,1,1\n'
    expect((await service.request('POST', url, text, headers)).status).toBe(202)
    const other = await service.request('POST', `${url}&map=disease_cases=x`, text, headers)
    expect({ status: other.status, type: other.json.type }).toEqual({
      status: 422,
      type: 'urn:chapkit:error:idempotency-mismatch',
    })
  })
})
