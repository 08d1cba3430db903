import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { DataFrame } from 'chapkit'

// The project is served as `npm start` does it, but on a free port and in memory.
let server: ChildProcess
let url = ''

before(async () => {
  const bin = new URL('node_modules/chapkit/dist/cli/bin.js', import.meta.url).pathname
  server = spawn(process.execPath, [bin, 'mlproject', 'run', '.', '--port', '0'], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, LOG_FORMAT: 'json' },
  })
  for await (const line of createInterface({ input: server.stdout! })) {
    url = /"url":"([^"]+)"/.exec(line)?.[1] ?? ''
    if (url !== '') break
  }
  assert.notEqual(url, '', 'the service has not started')
  // Nobody reads the rest of the log.
  server.stdout?.resume()
})

after(async () => {
  server.kill('SIGTERM')
  await once(server, 'exit')
})

async function post(path: string, body: object) {
  const response = await fetch(`${url}/api/v1/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=60' },
    body: JSON.stringify(body),
  })
  // biome-ignore lint/suspicious/noExplicitAny: the test says what it expects of an answer
  return (await response.json()) as any
}

/** A table of the folder `sample`. */
function sample(name: string): DataFrame {
  return DataFrame.fromCsv(readFileSync(new URL(`sample/${name}`, import.meta.url)))
}

async function train(data: DataFrame, options: object = {}) {
  const config = await post('configs', { name: 'test', data: options })
  return post('ml/$train', { config_id: config.id, data: data.toJson() })
}

test('trains on the sample data, and forecasts each row of the future', async () => {
  const training = await train(sample('data.csv'), { n_samples: 7 })
  assert.equal(training.job.error, null)
  const future = sample('future.csv')
  const prediction = await post('ml/$predict', {
    artifact_id: training.artifact_id,
    historic: sample('historic.csv').toJson(),
    future: future.toJson(),
  })
  assert.equal(prediction.job.error, null)

  const forecast = DataFrame.fromJson(prediction.prediction)
  for (const column of ['time_period', 'location'])
    assert.deepEqual(forecast.strings(column), future.strings(column))
  for (let at = 0; at < 7; at++)
    assert.ok(forecast.numbers(`sample_${at}`).every((count) => count >= 0))
})

test('a training without counts fails, and says what is missing', async () => {
  const { job } = await train(sample('data.csv').drop('disease_cases'))
  assert.equal(job.status, 'failed')
  assert.match(job.error, /disease_cases/)
})
