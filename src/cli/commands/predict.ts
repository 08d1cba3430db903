import { extname } from 'node:path'
import { writeCsv } from '../../data/csv.ts'
import type { DialectOptions } from '../../data/csv-dialect.ts'
import { comparePeriods, nextPeriod, parsePeriod } from '../../data/periods.ts'
import type { FrameJson } from '../../data/schema.ts'
import { additionalCovariates } from '../../ml/covariates.ts'
import type { ConfigData } from '../config-data.ts'
import { type CsvFile, readCsvFile } from '../csv-file.ts'
import { CommandError, exit } from '../exit.ts'
import { assertFree, writeWhole } from '../files.ts'
import { findModel } from '../find.ts'
import { followJob, toFailure } from '../follow-job.ts'
import { decimalsOf, summarize } from '../forecast.ts'
import type { Output } from '../output.ts'
import { printContent } from '../print.ts'
import { type Remote, type RemoteOptions, withRemote } from '../remote.ts'
import { readGeo } from './train.ts'

export interface PredictOptions extends RemoteOptions, DialectOptions {
  model: string
  geo?: string
  output?: string
  force?: boolean
  csv?: boolean
  interval: number
  logs?: boolean
  wait?: boolean
}

/** Predicts with a trained model, and prints or writes the forecast. */
export async function predict(
  historicPath: string,
  futurePath: string | undefined,
  options: PredictOptions,
): Promise<number> {
  return withRemote(options, async (remote) => {
    const { client, output, command } = remote
    if (historicPath === '-' && futurePath === '-')
      throw new CommandError('Only one of HISTORIC and FUTURE can come from stdin', exit.usage)
    const model = await findModel(remote, options.model)
    // The service reads them itself, but for the marks that only this command knows.
    const covariates = options.decimal === undefined ? [] : await covariatesOf(remote, model)
    const served = { info: await client.info(), covariates }
    const historic = await readCsvFile(historicPath, served, options)
    if (futurePath === undefined) throw lacksFuture(historic, historicPath)
    const future = await readCsvFile(futurePath, served, options)
    const geo = options.geo === undefined ? null : await readGeo(options.geo)
    const write = options.output === undefined ? null : toWriter(options.output, options.force)
    for (const warning of [...historic.warnings, ...future.warnings]) output.warn(warning)

    remote.ifInterrupted(
      `interrupted while the data was sent; whether it arrived says ${command('job list')}`,
    )
    const submitted = await client.ml.predict({
      artifact_id: model,
      historic: historic.frame,
      future: future.frame,
      ...(geo && { geo }),
    })
    const { job_id: id, artifact_id: prediction } = submitted
    if (options.wait === false) {
      output.result({ job_id: id, artifact_id: prediction, model_id: model }, () =>
        [
          `Job ${id} will make the prediction ${prediction}`,
          `See it: ${command(`job watch ${id}`)}`,
          `Then: ${command(`artifact download ${prediction} --format csv`)}`,
        ].join('\n'),
      )
      return exit.ok
    }
    const logs = options.logs ?? false
    const job = await followJob(remote, id, { title: 'predicting', logs })
    if (job.status !== 'completed') throw await toFailure(remote, job, logs)

    if (write) {
      await write(remote, prediction)
      output.result(
        { artifact_id: prediction, model_id: model, job, file: options.output },
        () => `Wrote the forecast to ${options.output} (prediction ${prediction})`,
      )
      return exit.ok
    }
    if (options.csv && !output.json) {
      await printContent([Buffer.from(await readCsv(remote, prediction))])
      return exit.ok
    }
    const frame = await client.artifacts.frame(prediction)
    output.result({ artifact_id: prediction, model_id: model, job, prediction: frame }, () =>
      toForecast(output, frame, options.interval),
    )
    output.note(`this is the prediction ${prediction} of the model ${model}`)
    return exit.ok
  })
}

function toForecast(output: Output, frame: FrameJson, interval: number): string {
  const rows = summarize(frame, interval)
  if (rows === null) return toPlain(output, frame)
  const points = rows.every(({ samples }) => samples <= 1)
  const digits = decimalsOf(rows.flatMap(({ median, low, high }) => [median, low, high]))
  const show = (value: number | null) => value?.toFixed(digits) ?? ''
  return output.table(
    [
      { title: 'location' },
      { title: 'period' },
      { title: points ? 'forecast' : 'median', align: 'right' },
      ...(points ? [] : [{ title: `${interval} % interval`, align: 'right' as const }]),
    ],
    rows.map(({ location, time_period, median, low, high }) => [
      location,
      time_period,
      show(median),
      ...(points || low === null ? [] : [`${show(low)} to ${show(high)}`]),
    ]),
  )
}

/** A frame of a model that makes no samples, as it is. */
function toPlain(output: Output, { columns, data }: FrameJson): string {
  return output.table(
    columns.map((title) => ({ title })),
    data.map((row) => row.map((cell) => (cell === null ? '' : String(cell)))),
  )
}

type Writer = (remote: Remote, id: string) => Promise<void>

/** A forecast as CSV, with the line ends that programs of a shell know. */
async function readCsv({ client }: Remote, id: string): Promise<string> {
  return writeCsv(await client.artifacts.frame(id), '\n')
}

/** How a forecast is written, by the name of its file. Throws before anything is predicted when it cannot be. */
function toWriter(path: string, force = false): Writer {
  assertFree(path, force)
  const format = extname(path).slice(1).toLowerCase() || 'csv'
  const read: Record<string, (remote: Remote, id: string) => Promise<string | Uint8Array>> = {
    csv: readCsv,
    json: async ({ client }, id) => `${JSON.stringify(await client.artifacts.frame(id))}\n`,
    parquet: ({ client }, id) => client.artifacts.parquet(id),
  }
  const reading = read[format]
  if (!reading) {
    throw new CommandError(
      `Expected a name that ends with .csv, .json or .parquet, got ${path}`,
      exit.usage,
    )
  }
  return async (remote, id) => writeWhole(path, await reading(remote, id), { force })
}

/** Covariates of the config that a model was trained with. */
async function covariatesOf({ client }: Remote, model: string): Promise<string[]> {
  const { config } = await client.artifacts.lineage(model)
  return additionalCovariates(config as ConfigData | undefined)
}

/** Whoever forgets the second file often does not know what it is for. */
function lacksFuture({ frame: { columns, data } }: CsvFile, path: string): CommandError {
  const at = columns.indexOf('time_period')
  const last =
    data
      .map((row) => String(row[at] ?? ''))
      .filter((text) => parsePeriod(text) !== null)
      .sort(comparePeriods)
      .at(-1) ?? ''
  let next = '2025-01'
  try {
    if (at >= 0) next = nextPeriod(last)
  } catch {
    // What the periods are is the next error to be told.
  }
  const header = columns.filter((name) => name !== 'disease_cases').join(',')
  return new CommandError(
    `A second file is missing: the periods to forecast, from ${next} on, one line per period and location, with the header ${header} (no disease_cases). Then: chapkit predict ${path} FUTURE.csv`,
    exit.usage,
  )
}
