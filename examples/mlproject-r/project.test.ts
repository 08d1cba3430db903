import { readFileSync } from 'node:fs'
import { BaseConfig, MLServiceBuilder, ShellModelRunner } from 'chapkit'
import { expect } from 'vitest'
import { parse } from 'yaml'
import {
  brazil,
  changed,
  expectForecast,
  medians,
  startForecasts,
  weekly,
  without,
} from '../../test/setup/forecasts.ts'
import { testWith } from '../../test/setup/needs.ts'

const test = testWith('Rscript')

const project = parse(readFileSync(new URL('MLproject', import.meta.url), 'utf8'))
const files: Record<string, string> = {
  train_data: '{data_file}',
  historic_data: '{historic_file}',
  future_data: '{future_file}',
  out_file: '{output_file}',
  model: 'model',
  model_config: 'config.yml',
}
const commandOf = (name: 'train' | 'predict'): string =>
  project.entry_points[name].command.replaceAll(/\{(\w+)\}/g, (_: string, parameter: string) => {
    expect(Object.keys(project.entry_points[name].parameters)).toContain(parameter)
    return files[parameter] ?? expect.unreachable(parameter)
  })

/** The scripts as a service, with the parameters of the MLproject file. */
const service = new MLServiceBuilder({
  module: import.meta.url,
  info: { id: 'seasonal-quantiles', display_name: 'Seasonal quantiles', period_type: 'monthly' },
  runner: new ShellModelRunner({
    config: BaseConfig,
    trainCommand: commandOf('train'),
    predictCommand: commandOf('predict'),
    configFormat: 'chap_core',
  }),
}).build()

test('forecasts real counts, the same ones for the same seed', async () => {
  const frames = brazil()
  const run = await startForecasts(service)
  const first = await run.forecast(frames)
  expectForecast(first, frames.future)
  expect(await run.forecast(frames)).toEqual(first)
  expect(await run.forecast(frames, { seed: 2 })).not.toEqual(first)

  // Samples are counts of the same location that were seen in the last ten years.
  const at = Object.fromEntries(frames.historic.columns.map((name, at) => [name, at]))
  const seen = frames.historic.data.filter((row) => row[at.location!] === '11004')
  const counts = new Set(seen.map((row) => row[at.disease_cases!]))
  const drawn = first.data.filter((row) => row[1] === '11004').flatMap((row) => row.slice(2))
  expect(drawn.filter((value) => !counts.has(value))).toEqual([])
})

test('heeds the options of the file, which are nested as chap-core has them', async () => {
  expect(Object.keys(project.user_options)).toEqual(['n_years', 'n_samples', 'seed'])
  const frames = brazil()
  const run = await startForecasts(service)
  const prediction = await run.forecast(frames, { n_years: 1, n_samples: 7 })
  expectForecast(prediction, frames.future, 7)
  expect(medians(prediction)).not.toEqual(medians(await run.forecast(frames, { n_samples: 7 })))
})

test('forecasts weeks, and gets along with what is unknown', async () => {
  const { historic, future } = weekly()
  const run = await startForecasts(service)
  expectForecast(await run.forecast({ historic, future }), future)
  const unknown = changed(historic, (cell, column, { location }) =>
    column === 'disease_cases' && location === '007' ? null : cell,
  )
  expectForecast(await run.forecast({ historic: unknown, future }), future)
})

test('what the data lack is the error of the job, in the words of R', async () => {
  const { historic } = brazil()
  const run = await startForecasts(service)
  const { job } = await run.train(without(historic, 'disease_cases'))
  expect(job.error).toBe(
    'The train command ended with exit code 1:\n' +
      'Error: Expected the column disease_cases in data.csv; it has time_period, location, rainfall, mean_temperature, population\n' +
      'Execution halted',
  )
})
