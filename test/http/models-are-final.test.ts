import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createArtifact,
  createConfig,
  data,
  expectProblem,
  future,
  type Probe,
  startProbe,
  submitTraining,
  trainAndPredict,
} from '../compat/fixtures.ts'

const base = '/api/v1/artifacts'
let probe: Probe
let made: Awaited<ReturnType<typeof trainAndPredict>>
beforeAll(async () => {
  probe = await startProbe()
  made = await trainAndPredict(probe)
})
afterAll(() => probe.close())

const get = async (id: string) => (await probe.request('GET', `${base}/${id}`)).json

describe('clients cannot make what only a training or a prediction makes', () => {
  test.each([
    'ml_training_workspace',
    'ml_prediction',
    'ml_prediction_workspace',
    'ml_anything',
    'ML_Prediction',
  ])('an artifact of type %s', async (type) => {
    const forged = { type, metadata: { status: 'success', config_id: made.configId }, content: {} }
    const generic = await createArtifact(probe, { data: { type: 'generic' } })
    for (const [method, url] of [
      ['POST', base],
      ['PUT', `${base}/${generic}`],
    ] as const) {
      const answer = await probe.request(method, url, { data: forged })
      const problem = expectProblem(answer, 422, 'validation-failed', ['body', 'data', 'type'])
      expect(problem.detail).toContain(`got "${type}"`)
    }
    expect((await get(generic)).data).toEqual({ type: 'generic' })
  })

  test('an upload is generic, whatever it says of itself', async () => {
    const body = JSON.stringify({ type: 'ml_training_workspace' })
    const { json } = await probe.request('POST', `${base}/$upload?type=ml_prediction`, body, {
      'content-type': 'application/zip',
    })
    expect(json.data.type).toBe('generic')
    const predicted = await probe.request('POST', '/api/v1/ml/$predict', {
      artifact_id: json.id,
      historic: data,
      future,
    })
    expectProblem(predicted, 409, 'conflict')
  })

  test('an artifact in the place of one that exists', async () => {
    const before = await get(made.artifactId)
    for (const content of [{ a: 1 }, before.data.content]) {
      const answer = await probe.request('POST', base, {
        id: made.artifactId,
        data: { type: 'generic', content },
      })
      expectProblem(answer, 409, 'conflict')
    }
    expect(await get(made.artifactId)).toEqual(before)
  })
})

describe('a model and its predictions', () => {
  test('keep their content, their metadata and their parent', async () => {
    const root = await createArtifact(probe, { data: 1 })
    for (const id of [made.artifactId, made.predictionId]) {
      const before = await get(id)
      const { data: kept } = before
      for (const change of [
        { data: { ...kept, content: { columns: [], data: [] } } },
        { data: { ...kept, metadata: { ...kept.metadata, status: 'failed' } } },
        { data: { ...kept, type: 'generic' } },
        { data: { type: 'generic' } },
        { data: { ...kept, extra: 1 } },
        { data: null },
        { data: 'text' },
        { data: kept, parent_id: root },
        { data: kept, parent_id: before.parent_id === null ? made.predictionId : null },
      ]) {
        const answer = await probe.request('PUT', `${base}/${id}`, change)
        const problem = expectProblem(answer, 409, 'conflict')
        expect(problem.detail).toContain('only its tags can be changed')
      }
      expect(await get(id)).toEqual(before)
    }
  })

  test('may get other tags, sent with their data whole, as listed, or with their parent', async () => {
    for (const id of [made.artifactId, made.predictionId]) {
      const before = await get(id)
      const { content, ...listed } = before.data
      expect(content).toBeDefined()
      for (const [tag, change] of Object.entries({
        whole: { data: before.data },
        listed: { data: listed },
        placed: { data: before.data, parent_id: before.parent_id },
      })) {
        const answer = await probe.request('PUT', `${base}/${id}`, { ...change, tags: [tag] })
        expect(answer.status).toBe(200)
        expect(answer.json).toEqual({
          ...before,
          tags: [tag],
          updated_at: answer.json.updated_at,
        })
      }
    }
    const again = await probe.request(
      'POST',
      '/api/v1/ml/$predict',
      { artifact_id: made.artifactId, historic: data, future },
      { prefer: 'wait=30' },
    )
    expect(again.json.job.status).toBe('completed')
  })
})

describe('what an active job uses', () => {
  test('a config cannot be deleted while it is trained, and can be afterwards', async () => {
    await using held = await startProbe()
    const { configId, jobId } = await submitTraining(held, { behaviour: 'wait' })
    await held.gate.arrived
    const url = `/api/v1/configs/${configId}`
    const problem = expectProblem(await held.request('DELETE', url), 409, 'conflict')
    expect(problem.detail).toContain(jobId)
    expect((await held.request('GET', url)).status).toBe(200)
    held.gate.open()
    await held.waitForJob(jobId)
    expect((await held.request('DELETE', url)).status).toBe(204)
  })

  test('a model cannot be deleted, nor its config, while a prediction waits for it', async () => {
    await using held = await startProbe({ concurrency: { train: 1, predict: 0, task: 1 } })
    const configId = await createConfig(held)
    const trained = await held.request(
      'POST',
      '/api/v1/ml/$train',
      { config_id: configId, data },
      { prefer: 'wait=30' },
    )
    const model = trained.json.artifact_id
    const predict = { artifact_id: model, historic: data, future }
    const { json: waiting } = await held.request('POST', '/api/v1/ml/$predict', predict)
    for (const url of [`${base}/${model}`, `/api/v1/configs/${configId}`]) {
      const problem = expectProblem(await held.request('DELETE', url), 409, 'conflict')
      expect(problem.detail).toContain(waiting.job_id)
    }
    expect((await held.request('GET', `${base}/${model}`)).status).toBe(200)
    await held.request('DELETE', `/api/v1/jobs/${waiting.job_id}`)
    expect((await held.request('DELETE', `/api/v1/configs/${configId}`)).status).toBe(204)
  })
})
