import { basename } from 'node:path'
import type { ConfigOut } from '../../config/schema.ts'
import type { DialectOptions } from '../../data/csv-dialect.ts'
import type { FeatureCollection } from '../../data/geojson.ts'
import { isUlid } from '../../kernel/id.ts'
import { additionalCovariates } from '../../ml/covariates.ts'
import { type ConfigData, readConfigData, readText } from '../config-data.ts'
import { readCsvFile } from '../csv-file.ts'
import { CommandError, exit } from '../exit.ts'
import { readInput } from '../files.ts'
import { findConfig } from '../find.ts'
import { followJob, toFailure } from '../follow-job.ts'
import { type Remote, type RemoteOptions, withRemote } from '../remote.ts'

export interface TrainOptions extends RemoteOptions, DialectOptions {
  config?: string
  configData?: string[]
  geo?: string
  /** Periods that the model is to forecast. */
  periods?: number
  logs?: boolean
  /** False only submits. */
  wait?: boolean
}

/** Trains a model with the data of a CSV file. */
export async function train(file: string, options: TrainOptions): Promise<number> {
  return withRemote(options, async (remote) => {
    const { client, output, command } = remote
    // What is wrong with the files is told before anything is made.
    const chosen = await chooseConfig(remote, file, options)
    const served = { info: await client.info(), covariates: additionalCovariates(chosen.data) }
    const { frame, warnings } = await readCsvFile(file, served, options)
    const geo = options.geo === undefined ? null : await readGeo(options.geo)
    for (const warning of warnings) output.warn(warning)
    const config = await chosen.make()

    remote.ifInterrupted(
      `interrupted while the data was sent; whether it arrived says ${command('job list')}`,
    )
    const { job_id: id, artifact_id: model } = await client.ml.train({
      config_id: config.id,
      data: frame,
      ...(geo && { geo }),
      ...(options.periods !== undefined && {
        run_info: { prediction_periods: options.periods },
      }),
    })
    if (options.wait === false) {
      output.result(
        { job_id: id, artifact_id: model, config_id: config.id },
        () => `Job ${id} will train the model ${model}\nSee it: ${command(`job watch ${id}`)}`,
      )
      return exit.ok
    }
    const logs = options.logs ?? false
    const job = await followJob(remote, id, { title: 'training', logs })
    if (job.status !== 'completed') throw await toFailure(remote, job, logs)
    output.result({ artifact_id: model, config_id: config.id, job }, () =>
      [
        `Trained the model ${output.paint('bold', model)} with ${frame.data.length} rows and the config '${config.name}'`,
        `Predict with it: ${command(`predict --model ${model} HISTORIC.csv FUTURE.csv`)}`,
      ].join('\n'),
    )
    return exit.ok
  })
}

/** A config that is there, or is made when all else has been looked at. */
interface ChosenConfig {
  data: ConfigData
  make(): Promise<ConfigOut>
}

/** The config of a training: the one that is named, one of the data that is given, or the only one that there is. */
async function chooseConfig(
  remote: Remote,
  file: string,
  { config: wanted, configData }: TrainOptions,
): Promise<ChosenConfig> {
  const { client } = remote
  const there = (config: ConfigOut): ChosenConfig => ({
    data: config.data,
    make: async () => config,
  })
  const create = async (name: string, given: readonly string[]): Promise<ChosenConfig> => {
    const data = await readConfigData(given)
    return { data, make: async () => (await client.configs.create({ name, data })) as ConfigOut }
  }
  if (configData) {
    if (wanted !== undefined && isUlid(wanted)) {
      throw new CommandError(
        `--config-data makes a new config: give it a name with --config, or change ${wanted} with ${remote.command(`config edit ${wanted}`)}`,
        exit.usage,
      )
    }
    return create(wanted ?? basename(file).replace(/\.\w+$/, ''), configData)
  }
  if (wanted !== undefined) return there(await findConfig(remote, wanted))

  const all = (await client.configs.list()) as ConfigOut[]
  const usual = all.filter(({ name }) => name === 'default')
  const only = usual.length === 1 ? usual[0] : all.length === 1 ? all[0] : undefined
  if (only) return there(only)
  if (all.length === 0) return create('default', [])
  const names = all.slice(0, 10).map(({ id, name }) => `${name} (${id})`)
  throw new CommandError(
    `The service has ${all.length} configs: name one with --config: ${names.join(', ')}${all.length > 10 ? ', …' : ''}`,
    exit.usage,
  )
}

/** Reads a GeoJSON file; its form is checked by the service. */
export async function readGeo(path: string): Promise<FeatureCollection> {
  const bytes = await readInput(path)
  const text = readText(bytes, path)
  let geo: unknown
  try {
    geo = JSON.parse(text)
  } catch (error) {
    throw new CommandError(`${path} is not JSON: ${(error as Error).message}`)
  }
  if ((geo as { type?: unknown } | null)?.type !== 'FeatureCollection')
    throw new CommandError(`Expected ${path} to be a GeoJSON FeatureCollection`)
  return geo as FeatureCollection
}
