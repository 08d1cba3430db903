import { readFile } from 'node:fs/promises'
import { DataFrame } from 'chapkit'
import { expect, test } from 'vitest'
import { compare, rollingFolds } from './backtest.ts'
import { countsByLocation, lastYear, seasonalNaive } from './naive.ts'
import { forecastTable, scoreTable } from './report.ts'

const data = DataFrame.fromCsv(
  await readFile(new URL('./dengue_brazil_monthly.csv', import.meta.url)),
)

test('six folds of six months are the last three years', () => {
  const folds = rollingFolds(data, 6, 6)
  expect(folds.map(({ from, to }) => `${from} ${to}`)).toEqual([
    '2017-01 2017-06',
    '2017-07 2017-12',
    '2018-01 2018-06',
    '2018-07 2018-12',
    '2019-01 2019-06',
    '2019-07 2019-12',
  ])
  for (const { from, to, past, future } of folds) {
    expect(past.strings('time_period').every((period) => period! < from)).toBe(true)
    const months = future.strings('time_period')
    expect(months.every((period) => period! >= from && period! <= to)).toBe(true)
    expect(months.length).toBe(30)
  }
})

test('the naive forecasts know only the same month of earlier years', () => {
  const past = countsByLocation(data.filter((row) => String(row.time_period) < '2004-01'))
  const january2004 = 2004 * 12
  expect(seasonalNaive(past.get('11001')!, january2004)).toEqual([267, 53, 272])
  expect(lastYear(past.get('11001')!, january2004)).toEqual([272])
  expect(lastYear(past.get('11001')!, january2004 + 12)).toEqual([272])
  expect(lastYear(new Map(), january2004)).toEqual([])
})

test('tables fit 100 columns and say how near the forecast was', () => {
  const results = rollingFolds(data, 2, 6).map((fold) => {
    // A forecast that knows the future, but for one sample of four.
    const predictions = [0, 1, 2, 3].reduce(
      (frame, sample) =>
        frame.derive(`sample_${sample}`, (row) => Number(row.disease_cases) + (sample ? 0 : 4000)),
      fold.future,
    )
    return { fold, forecasts: compare(fold, predictions) }
  })
  const table = forecastTable(results[1]!.forecasts)
  const scores = scoreTable(results)
  for (const line of `${table}\n${scores}`.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  expect(table.split('\n')[2]).toMatch(/^11001 +2019-07 +26 +26 +26 – 1,026 +26 – 3,426$/)
  expect(scores).toMatch(/^all +0\.0 +15\.3 +0\.00 +250\.0/m)
})

test('a month whose count is not known is not scored', () => {
  const [fold] = rollingFolds(data, 1, 6)
  const future = fold!.future.derive('disease_cases', (row) =>
    row.location === '11003' ? null : Number(row.disease_cases),
  )
  const predictions = future.derive('sample_0', () => 1)
  const forecasts = compare({ ...fold!, future }, predictions)
  expect(forecasts.length).toBe(24)
  expect(forecasts.map(({ location }) => location)).not.toContain('11003')
})
