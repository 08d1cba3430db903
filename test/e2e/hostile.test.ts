import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Client, createClient } from '../../src/client/index.ts'
import { serve } from '../setup/serve.ts'

const data = {
  columns: ['time_period', 'location', 'disease_cases'],
  data: [
    ['2024-01', 'north', 12],
    ['2024-02', 'north', 18],
  ],
}
const future = { columns: ['time_period', 'location'], data: [['2024-03', 'north']] }

async function train(client: Client, attack: string) {
  const { id } = await client.configs.create({ name: attack, data: { attack } })
  const { job_id, artifact_id } = await client.ml.train({ config_id: id, data })
  const job = await client.jobs.wait(job_id, { mustComplete: false })
  return { job, model: artifact_id }
}

async function predict(client: Client, model: string) {
  const { job_id, artifact_id } = await client.ml.predict({
    artifact_id: model,
    historic: data,
    future,
  })
  const job = await client.jobs.wait(job_id, { mustComplete: false })
  return { job, artifact: artifact_id }
}

const sent = /^The model host sent .+ may use neither file descriptor 3 nor 4$/s

test('a model that speaks in the place of its host fails its own job with a sentence, and nobody else is harmed', async () => {
  const { url } = await serve(join(import.meta.dirname, 'fixtures/hostile.ts'))
  const client = createClient({ url })
  const good = await train(client, '')

  const attacks: [string, RegExp][] = [
    ['text on the channel', sent],
    ['a handle in JSON', sent],
    ['a handle in bytes of V8', sent],
    ['an acknowledgement of nothing', sent],
    ['null for a line', sent],
    ['null for a message', sent],
    ['a number that is none', sent],
    ['an answer that is none', sent],
    ['the result of something else', /The model host gave the result of a task/],
    ['the key of all objects', sent],
    ['brackets without end', sent],
    ['an answer larger than memory', sent],
    ['a flood of honest lines', sent],
    ['a flood of heartbeats', sent],
    ['process.send', /^TypeError: .*process\.send/],
  ]
  for (const [attack, error] of attacks) {
    const { job } = await train(client, attack)
    expect([attack, job.status, job.error]).toEqual([
      attack,
      'failed',
      expect.stringMatching(error),
    ])
    const health = await fetch(`${url}/health`)
    expect(health.status).toBe(200)
  }

  const after = await predict(client, good.model)
  expect(after.job.status).toBe('completed')
}, 180_000)

test('what a service says of a prediction is true, whatever the process of the model said', async () => {
  const { url } = await serve(join(import.meta.dirname, 'fixtures/hostile.ts'))
  const client = createClient({ url })
  const wrong: [string, RegExp][] = [
    ['a prediction that is no frame', /gave a prediction that is no JSON/],
    [
      'a prediction with rows of several lengths',
      /returned a frame that is wrong: .*Expected 3 cells/,
    ],
    ['a prediction of something else', /returned another forecast/],
    ['a prediction with a number that is none', /Infinity in column `sample_0`, row 0/],
  ]
  for (const [attack, error] of wrong) {
    const { model } = await train(client, attack)
    const { job } = await predict(client, model)
    expect([attack, job.status, job.error]).toEqual([
      attack,
      'failed',
      expect.stringMatching(error),
    ])
  }

  const { model } = await train(client, 'a prediction with spaces, twice')
  const { job, artifact } = await predict(client, model)
  expect(job.status).toBe('completed')
  expect(await client.artifacts.csv(artifact)).toBe(
    'time_period,location,sample_0\r\n2024-03,north,7\r\n',
  )
})
