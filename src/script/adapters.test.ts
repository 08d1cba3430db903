import { expect, test } from 'vitest'
import { adaptFrame } from './adapters.ts'
import { counting, startScripts } from './fixtures/project.ts'

const frame = (...periods: string[]) => ({
  columns: ['time_period', 'location', 'rainfall'],
  data: periods.map((period, at) => [period, 'a', at]),
})
const all = { year: 'year', month: 'month', week: 'week', rain: 'rainfall' }
const adapted = (...periods: string[]) => {
  const { columns, data } = adaptFrame(frame(...periods), all).frame
  return [columns.slice(3), ...data.map((row) => row.slice(3))]
}

test('months have a year and a month, weeks a year and a week, in every form of them', () => {
  const months = ['year', 'month', 'rain']
  expect(adapted('2023-12', '2024-01')).toEqual([months, [2023, 12, 0], [2024, 1, 1]])
  expect(adapted('202409')).toEqual([months, [2024, 9, 0]])
  const weeks = ['year', 'week', 'rain']
  expect(adapted('2024-W05', '2020-W53')).toEqual([weeks, [2024, 5, 0], [2020, 53, 1]])
  expect(adapted('2024W7')).toEqual([weeks, [2024, 7, 0]])
  // The week is that of the first day, the year that of the last.
  expect(adapted('2003-12-29/2004-01-04')).toEqual([weeks, [2004, 1, 0]])
  expect(adapted('2020-12-28/2021-01-03')).toEqual([weeks, [2021, 53, 0]])
  expect(adapted('2024-03-01')).toEqual([
    ['year', 'rain'],
    [2024, 0],
  ])
})

test('a column that is there is overwritten, one that is not is told, and disease_cases is let be', () => {
  const { frame: made, missing } = adaptFrame(frame('2024-01'), {
    ...{ rainfall: 'location', Cases: 'disease_cases', E: 'population', again: 'rainfall' },
    of: 'constructor',
  })
  expect(made).toEqual({
    columns: ['time_period', 'location', 'rainfall', 'again'],
    data: [['2024-01', 'a', 'a', 'a']],
  })
  expect(missing).toEqual(['population', 'constructor'])
})

test('a frame without rows stays as it is, and a period that is none is an error', () => {
  expect(adaptFrame(frame(), { year: 'year' }).frame).toEqual(frame())
  expect(() => adaptFrame(frame('soon'), { year: 'year' })).toThrow(/time_period, got "soon"/)
})

test('scripts find the columns of adapters in every CSV file, and workspaces keep what they saw', async () => {
  const service = await startScripts(
    { ...counting, 'train.sh': 'cat data.csv; echo 1 > model.txt; echo spoiled > historic.csv' },
    {
      predictCommand:
        'sh -c "head -n 2 historic.csv future.csv >&2; sh predict.sh future.csv {output_file}"',
      adapters: { Cases: 'disease_cases', year: 'year', month: 'month', E: 'population' },
    },
  )
  const trained = await service.train()
  const model = await service.request('GET', `/api/v1/artifacts/${trained.id}`)
  const data =
    'time_period,location,disease_cases,rainfall,Cases,year,month\n2024-01,007,3,1.5,3,2024,1\n2024-02,007,4,,4,2024,2\n'
  expect(model.json.data.metadata.stdout).toBe(data)
  expect((await service.workspace(trained.id)).get('data.csv')).toBe(data)
  const { items } = (await service.request('GET', `/api/v1/jobs/${trained.job.id}/$logs`)).json
  expect(items.map(({ line }: { line: string }) => line)).toContain(
    'data.csv has no column population for an adapter',
  )

  const predicted = await service.predict(trained.id)
  expect(predicted.job).toMatchObject({ status: 'completed' })
  const { json } = await service.request('GET', `/api/v1/artifacts/${predicted.id}/$tree`)
  const files = await service.workspace(json.children[0].id)
  expect(files.get('historic.csv')).toBe(data)
  expect(files.get('future.csv')).toBe(
    'time_period,location,rainfall,year,month\n2024-03,007,2,2024,3\n2024-04,007,2.25,2024,4\n',
  )
})

test('adapters that are none are refused when the runner is made', async () => {
  const { ShellModelRunner } = await import('./runner.ts')
  const make = (adapters: object) => () =>
    new ShellModelRunner({ trainCommand: 'a', predictCommand: 'b', adapters: adapters as never })
  expect(make({ rain: 'rainfall' })).not.toThrow()
  for (const adapters of [{ rain: 3 }, { rain: '' }, { '': 'rainfall' }])
    expect(make(adapters)).toThrow(/adapters/)
})
