/**
 * What `npm start` runs: starts the service, then uses it as any client would, over HTTP. It trains on real data,
 * forecasts months whose counts are known, shows both, and measures the model against a seasonal-naive forecast.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DataFrame, type ListenOptions } from 'chapkit'
import { type Client, createClient } from 'chapkit/client'
import { type FoldResult, rollingFolds, runFold } from './backtest.ts'
import { createProgress } from './progress.ts'
import { forecastTable, scoreTable } from './report.ts'
import service from './service.ts'

const help = `Usage: npm start [-- --once]

Starts the example service, trains it on real dengue counts, shows its forecast of the last
6 months beside what happened, and scores it over the last 3 years. Then the service stays
up until Ctrl-C.

  --once   use a temporary folder and a free port, and end when all is shown
  --help   show this

Environment:
  PORT              where to listen (8000)
  HOST              address to listen on (127.0.0.1)
  CHAPKIT_DATA_DIR  folder for configs, models and predictions (./data)
  LOG_LEVEL         what the service logs meanwhile (warn)`

const horizon = 6
const folds = 6

const interrupted = new AbortController()
const progress = createProgress(process.stdout)

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { once: { type: 'boolean' }, help: { type: 'boolean' } },
  })
  if (values.help) return console.log(help)
  const once = values.once === true
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => interrupted.abort())

  progress.begin('Starting the service')
  try {
    const { url } = await service.listen(once ? inTemporaryFolder() : quietly())
    await present(url, once)
    if (once) await service.close()
  } catch (error) {
    await service.close()
    throw error
  }
}

/** A folder that is gone when the process ends, however it ends, and a port that nobody uses. */
function inTemporaryFolder(): ListenOptions {
  const dataDir = mkdtempSync(join(tmpdir(), 'chapkit-dengue-'))
  process.once('exit', () => rmSync(dataDir, { recursive: true, force: true }))
  return { ...quietly(), port: 0, dataDir, signals: false }
}

/** What the service has to say would break the tables; who wants to see it says so. */
function quietly(): ListenOptions {
  return process.env.LOG_LEVEL ? {} : { logLevel: 'warn' }
}

async function present(url: string, once: boolean): Promise<void> {
  const data = DataFrame.fromCsv(
    await readFile(new URL('./dengue_brazil_monthly.csv', import.meta.url)),
  )
  const client = createClient<typeof service>({ url, signal: interrupted.signal })
  const configId = await useConfig(client)

  const results: FoldResult[] = []
  for (const fold of rollingFolds(data, folds, horizon)) {
    progress.begin(`Forecast ${results.length + 1} of ${folds}: ${fold.from} to ${fold.to}`)
    results.push(await runFold(client, configId, fold, progress.at))
  }
  progress.end()

  const last = results.at(-1)!
  const { from, to, past } = last.fold
  console.log(
    [
      '',
      `Dengue cases in ${past.unique('location').length} microregions of Rondônia, Brazil`,
      `Forecast for ${from} to ${to}, made from ${past.length} monthly counts up to then`,
      '',
      forecastTable(last.forecasts),
      '',
      `The same over ${folds} rolling origins: trained on all that came before, ${horizon} months ahead`,
      '',
      scoreTable(results),
      'The model is given the weather of the months it forecasts; of rainfall the file has only zeros.',
      '',
      once ? 'Done. `npm start` without --once keeps the service up.' : nextCommands(url, last),
    ].join('\n'),
  )
}

/** The config of the example, made where there is none yet. */
async function useConfig({ configs }: Client<typeof service>): Promise<string> {
  const name = 'dengue-brazil'
  const existing = (await configs.list()).find((config) => config.name === name)
  const data = { prediction_periods: horizon }
  return (existing ?? (await configs.create({ name, data }))).id
}

function nextCommands(url: string, { training, prediction }: FoldResult): string {
  return [
    `The service is up at ${url}. To try next:`,
    '',
    `  curl ${url}/health`,
    `  curl ${url}/api/v1/configs`,
    `  curl '${url}/api/v1/jobs/${training.job.id}/$logs'`,
    `  curl '${url}/api/v1/artifacts/${training.artifact_id}/$tree'`,
    `  curl -o forecast.csv '${url}/api/v1/artifacts/${prediction.artifact_id}/$download?format=csv'`,
    '',
    `API reference: ${url}/docs`,
    'Ctrl-C stops it.',
  ].join('\n')
}

main().catch((error: unknown) => {
  progress.end()
  // Asked to stop: the service does that by itself, or has been closed by now.
  if (interrupted.signal.aborted) {
    process.exitCode = 130
    return
  }
  console.error(lineOf(error))
  process.exitCode = 1
})

/** What went wrong, in one line. */
function lineOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause as { code?: string; port?: number } | undefined
  if (cause?.code === 'EADDRINUSE') {
    return `Port ${cause.port} is taken; choose another: PORT=${Number(cause.port) + 1} npm start`
  }
  return error.message.replaceAll(/\s*\n\s*/g, ' ')
}
