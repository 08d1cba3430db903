import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createArtifact,
  createConfig,
  expectProblem,
  nobody,
  type Probe,
  startProbe,
  timestamp,
  train,
  ulid,
} from './fixtures.ts'

const base = '/api/v1/configs'
let probe: Probe
beforeAll(async () => {
  probe = await startProbe()
})
afterAll(() => probe.close())

describe('creating a config', () => {
  test('answers 201 with Location and the config, defaults filled in and extras kept', async () => {
    const answer = await probe.request('POST', base, {
      name: 'a',
      data: { prediction_periods: 3, foo: 'bar' },
      tags: ['x', 'y-1'],
    })
    expect(answer.status).toBe(201)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(Object.keys(answer.json)).toEqual([
      'id',
      'created_at',
      'updated_at',
      'tags',
      'name',
      'data',
    ])
    const { id, created_at } = answer.json
    expect(id).toMatch(ulid)
    expect(created_at).toMatch(timestamp)
    expect(answer.json).toEqual({
      id,
      created_at,
      updated_at: created_at,
      tags: ['x', 'y-1'],
      name: 'a',
      data: {
        prediction_periods: 3,
        additional_continuous_covariates: [],
        n_lags: 3,
        'learning-rate': 0.5,
        behaviour: 'plain',
        foo: 'bar',
      },
    })
    expect(Object.keys(answer.json.data)).toEqual([
      'prediction_periods',
      'additional_continuous_covariates',
      'n_lags',
      'learning-rate',
      'behaviour',
      'foo',
    ])
    expect(answer.headers.location).toMatch(new RegExp(`^https?://[^/]+${base}/${id}$`))
  })

  test('without tags has none; the name may be empty and need not be unique', async () => {
    const first = await probe.request('POST', base, { name: '', data: {} })
    const second = await probe.request('POST', base, { name: '', data: {} })
    expect(first.json).toMatchObject({ tags: [], name: '' })
    expect(second.status).toBe(201)
    expect(second.json.id).not.toBe(first.json.id)
  })

  test('prediction_periods defaults to 3 and unknown top-level keys are ignored', async () => {
    const answer = await probe.request('POST', base, {
      name: 'a',
      data: {},
      run_info: { prediction_length: 3 },
    })
    expect(answer.status).toBe(201)
    expect(answer.json.data.prediction_periods).toBe(3)
    expect(answer.json).not.toHaveProperty('run_info')
  })

  test('lifts user_option_values to the top, where a flat key wins', async () => {
    const answer = await probe.request('POST', base, {
      name: 'a',
      data: { user_option_values: { n_lags: 5, 'learning-rate': 0.1, other: 1 }, n_lags: 7 },
    })
    expect(answer.json.data).toMatchObject({ n_lags: 7, 'learning-rate': 0.1, other: 1 })
    expect(answer.json.data).not.toHaveProperty('user_option_values')
  })

  test.each([null, 5, 'a', [[1]]])(
    'keeps user_option_values of %j, which is nothing to lift',
    async (sent) => {
      const answer = await probe.request('POST', base, {
        name: 'a',
        data: { user_option_values: sent },
      })
      expect(answer.json.data).toMatchObject({ user_option_values: sent, n_lags: 3 })
    },
  )

  test('keeps nulls, hyphenated keys and nested extras', async () => {
    const extras = { foo: null, 'a-b': { c: [null, { d: 1.5 }] } }
    const { json } = await probe.request('POST', base, { name: 'a', data: extras })
    const { json: read } = await probe.request('GET', `${base}/${json.id}`)
    expect(read.data).toMatchObject(extras)
    expect(read).toEqual(json)
  })

  test('takes an id of the client’s choice; one that exists is 409, unless it is the same request', async () => {
    const id = '01K72P5N5KCRM6MD3BRE4P0001'
    const body = { id, name: 'a', data: {}, tags: ['t'] }
    const key = { 'idempotency-key': 'once' }
    const first = await probe.request('POST', base, body, key)
    expect(first.json.id).toBe(id)
    expect((await probe.request('POST', base, body, key)).json).toEqual(first.json)
    for (const other of [body, { id, name: 'b', data: { n_lags: 9 } }])
      expectProblem(await probe.request('POST', base, other), 409, 'conflict')
    expect((await probe.request('GET', `${base}/${id}`)).json).toEqual(first.json)
  })

  test('a null id is as none', async () => {
    const { status, json } = await probe.request('POST', base, { id: null, name: 'a', data: {} })
    expect(status).toBe(201)
    expect(json.id).toMatch(ulid)
  })

  test('the base of Location can be set', async () => {
    await using behind = await startProbe({ publicUrl: 'https://models.example.org/a' })
    const { json, headers } = await behind.request('POST', base, { name: 'a', data: {} })
    expect(headers.location).toBe(`https://models.example.org/a${base}/${json.id}`)
  })
})

describe('a stored config', () => {
  test('is replaced by PUT, whose id is ignored; tags that are not sent stay', async () => {
    const id = await createConfig(probe, { n_lags: 5, foo: 'bar' })
    const tag = async (tags: string[]) =>
      (await probe.request('PUT', `${base}/${id}`, { name: 'new', data: {}, tags })).json.tags
    expect(await tag(['a'])).toEqual(['a'])
    expect(await tag([])).toEqual([])
    expect(await tag(['kept'])).toEqual(['kept'])
    const answer = await probe.request('PUT', `${base}/${id}`, {
      id: nobody,
      name: 'new',
      data: { 'learning-rate': 2 },
    })
    expect(answer.status).toBe(200)
    expect(answer.json).toMatchObject({ id, name: 'new', tags: ['kept'] })
    expect(answer.json.data).toEqual({
      prediction_periods: 3,
      additional_continuous_covariates: [],
      n_lags: 3,
      'learning-rate': 2,
      behaviour: 'plain',
    })
    expect((await probe.request('GET', `${base}/${id}`)).json).toEqual(answer.json)
  })

  test('is deleted with 204 and no body, then it is not found', async () => {
    const id = await createConfig(probe)
    const answer = await probe.request('DELETE', `${base}/${id}`)
    expect(answer).toMatchObject({ status: 204, text: '' })
    const gone = await probe.request('GET', `${base}/${id}`)
    const problem = expectProblem(gone, 404, 'not-found')
    expect(problem).toMatchObject({ instance: `${base}/${id}`, title: 'Resource Not Found' })
    expect(problem.detail).toContain(id)
    expectProblem(await probe.request('DELETE', `${base}/${id}`), 404, 'not-found')
    expectProblem(
      await probe.request('PUT', `${base}/${id}`, { name: 'a', data: {} }),
      404,
      'not-found',
    )
  })

  test('takes every linked tree with it when it is deleted', async () => {
    const { configId, artifactId } = await train(probe)
    const child = await createArtifact(probe, { data: { a: 1 }, parent_id: artifactId })
    const other = await createArtifact(probe, { data: { a: 1 } })
    expect((await probe.request('DELETE', `${base}/${configId}`)).status).toBe(204)
    const left = await Promise.all(
      [artifactId, child, other].map((id) => probe.request('GET', `/api/v1/artifacts/${id}`)),
    )
    expect(left.map(({ status }) => status)).toEqual([404, 404, 200])
  })
})

describe('the list of configs', () => {
  test('is a bare array in order of creation, an envelope only with page and size', async () => {
    await using fresh = await startProbe()
    expect((await fresh.request('GET', base)).json).toEqual([])
    expect((await fresh.request('GET', `${base}?page=1&size=2`)).json).toEqual({
      items: [],
      total: 0,
      page: 1,
      size: 2,
      pages: 0,
    })
    const ids = []
    for (let n = 0; n < 3; n++) ids.push(await createConfig(fresh))

    const whole = await fresh.request('GET', base)
    expect(whole.json.map((config: { id: string }) => config.id)).toEqual(ids)
    for (const query of ['page=2', 'size=1', 'unknown=1']) {
      expect((await fresh.request('GET', `${base}?${query}`)).json).toEqual(whole.json)
    }
    const page = await fresh.request('GET', `${base}?page=2&size=2`)
    expect(Object.keys(page.json)).toEqual(['items', 'total', 'page', 'size', 'pages'])
    expect(page.json).toEqual({ items: [whole.json[2]], total: 3, page: 2, size: 2, pages: 2 })
    expect((await fresh.request('GET', `${base}?page=9&size=2`)).json).toMatchObject({
      items: [],
      total: 3,
      pages: 2,
    })
    expect((await fresh.request('GET', `${base}/$stats`)).json).toEqual({ total: 3 })
  })

  test('can be read by key, each page with a Link to the next', async () => {
    await using fresh = await startProbe()
    const ids: string[] = []
    for (let n = 0; n < 5; n++) ids.push(await createConfig(fresh))
    const seen: string[] = []
    let url: string | undefined = `${base}?after=00000000000000000000000000&size=2`
    while (url !== undefined) {
      const answer = await fresh.request('GET', url)
      expect(Array.isArray(answer.json)).toBe(true)
      seen.push(...answer.json.map((config: { id: string }) => config.id))
      const next = /^<(\?[^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1]
      url = next && `${base}${next}`
    }
    expect(seen).toEqual(ids)
  })

  test('goes on behind a config that has been deleted meanwhile', async () => {
    await using fresh = await startProbe()
    const ids: string[] = []
    for (let n = 0; n < 3; n++) ids.push(await createConfig(fresh))
    await fresh.request('DELETE', `${base}/${ids[1]}`)
    const { json } = await fresh.request('GET', `${base}?after=${ids[1]}`)
    expect(json.map((config: { id: string }) => config.id)).toEqual([ids[2]])
  })

  test('streams more than a chunk of configs, each once and in order', async () => {
    await using fresh = await startProbe()
    const { configs } = fresh.parts
    const made = await Promise.all(
      Array.from({ length: 2100 }, (_, n) => configs.create({ name: `${n}`, data: {}, tags: [] })),
    )
    const { json } = await fresh.request('GET', base)
    expect(json.map((config: { id: string }) => config.id)).toEqual(
      made.map(({ id }) => id).toSorted(),
    )
  })

  test.each([
    ['page=a&size=2', 'page'],
    ['page=1.5&size=2', 'page'],
    ['page=0&size=2', 'page'],
    ['page=1e400&size=2', 'page'],
    ['page=9007199254740993&size=1000', 'page'],
    ['page=1&size=0', 'size'],
    ['page=1&size=1001', 'size'],
    ['size=&page=1', 'size'],
    ['page=1&page=2&size=1', 'page'],
    ['after=nope', 'after'],
    ['after=01k72p5n5kcrm6md3bre4p0778', 'after'],
  ])('refuses ?%s', async (query, name) => {
    const answer = await probe.request('GET', `${base}?${query}`)
    expectProblem(answer, 422, 'validation-failed', ['query', name])
  })

  test('refuses page and after together', async () => {
    const answer = await probe.request('GET', `${base}?page=1&after=${nobody}`)
    expectProblem(answer, 422, 'validation-failed')
  })
})

test('$schema describes data alone, with defaults under the names that travel', async () => {
  const { status, json } = await probe.request('GET', `${base}/$schema`)
  expect(status).toBe(200)
  expect(json).toMatchObject({
    type: 'object',
    title: expect.any(String),
    additionalProperties: true,
    properties: {
      prediction_periods: { type: 'integer', default: 3 },
      additional_continuous_covariates: { type: 'array', items: { type: 'string' }, default: [] },
      n_lags: { type: 'integer', minimum: 1, default: 3 },
      'learning-rate': { type: 'number', default: 0.5 },
    },
  })
  expect(json.required ?? []).toEqual([])
  expect(JSON.stringify(json)).not.toContain('$ref')
})

describe('links between configs and artifacts', () => {
  test('join a root to one config, can be repeated, and lead both ways', async () => {
    const configId = await createConfig(probe)
    const artifactId = await createArtifact(probe, { data: { content: { a: 1 } } })
    const child = await createArtifact(probe, { data: 1, parent_id: artifactId })
    const body = { artifact_id: artifactId }
    for (let n = 0; n < 2; n++) {
      const answer = await probe.request('POST', `${base}/${configId}/$link-artifact`, body)
      expect(answer).toMatchObject({ status: 204, text: '' })
    }
    const { json: linked } = await probe.request('GET', `${base}/${configId}/$artifacts`)
    expect(linked).toEqual([(await probe.request('GET', `/api/v1/artifacts/${artifactId}`)).json])
    expect(linked[0].data).toEqual({ content: { a: 1 } })
    for (const id of [artifactId, child]) {
      const { json } = await probe.request('GET', `/api/v1/artifacts/${id}/$config`)
      expect(json).toEqual((await probe.request('GET', `${base}/${configId}`)).json)
    }

    const unlink = `${base}/${configId}/$unlink-artifact`
    const other = `${base}/${await createConfig(probe)}/$unlink-artifact`
    expectProblem(await probe.request('POST', other, body), 404, 'not-found')
    expect(await probe.request('POST', unlink, body)).toMatchObject({ status: 204, text: '' })
    const twice = expectProblem(await probe.request('POST', unlink, body), 404, 'not-found')
    expect(twice.detail).toContain(`${artifactId} is not linked`)
    expect((await probe.request('GET', `${base}/${configId}/$artifacts`)).json).toEqual([])
    const problem = expectProblem(
      await probe.request('GET', `/api/v1/artifacts/${artifactId}/$config`),
      404,
      'not-found',
    )
    expect(problem.detail).toBe(`No config linked to artifact ${artifactId}`)
  })

  test('cannot be made to what is not there, not a root, or linked elsewhere', async () => {
    const [configId, other] = [await createConfig(probe), await createConfig(probe)]
    const artifactId = await createArtifact(probe, { data: 1 })
    const child = await createArtifact(probe, { data: 1, parent_id: artifactId })
    const link = (id: string, artifact: unknown) =>
      probe.request('POST', `${base}/${id}/$link-artifact`, { artifact_id: artifact })

    expect(expectProblem(await link(configId, nobody), 400, 'bad-request').detail).toBe(
      `Artifact ${nobody} not found`,
    )
    expect(expectProblem(await link(configId, child), 400, 'bad-request').detail).toBe(
      `Artifact ${child} is not a root artifact (parent_id=${artifactId})`,
    )
    expectProblem(await link(nobody, artifactId), 404, 'not-found')
    expect((await link(configId, artifactId)).status).toBe(204)
    const taken = expectProblem(await link(other, artifactId), 409, 'conflict')
    expect(taken.detail).toContain(configId)
    expectProblem(await link(configId, 'zz'), 422, 'validation-failed', ['body', 'artifact_id'])
    expectProblem(await link('zz', artifactId), 400, 'invalid-ulid')
  })

  test('an unknown config has no artifacts; unlinking from it is refused', async () => {
    expect((await probe.request('GET', `${base}/${nobody}/$artifacts`)).json).toEqual([])
    expectProblem(await probe.request('GET', `${base}/zz/$artifacts`), 400, 'invalid-ulid')
    expectProblem(
      await probe.request('POST', `${base}/${nobody}/$unlink-artifact`, { artifact_id: nobody }),
      404,
      'not-found',
    )
  })

  test('a training links its model to its config', async () => {
    const { configId, artifactId } = await train(probe)
    const { json } = await probe.request('GET', `${base}/${configId}/$artifacts`)
    expect(json).toHaveLength(1)
    expect(json[0]).toMatchObject({ id: artifactId, level: 0, parent_id: null })
    expect(json[0].data.content._repr).toMatch(/^<\d+ bytes>$/)
  })

  test('deleting an artifact takes its link away, not its config', async () => {
    const { configId, artifactId } = await train(probe)
    expect((await probe.request('DELETE', `/api/v1/artifacts/${artifactId}`)).status).toBe(204)
    expect((await probe.request('GET', `${base}/${configId}/$artifacts`)).json).toEqual([])
    expect((await probe.request('GET', `${base}/${configId}`)).status).toBe(200)
  })
})

test('an unknown operation of a collection reads as an id, of an entity as nothing', async () => {
  expectProblem(await probe.request('GET', `${base}/$nope`), 400, 'invalid-ulid')
  expectProblem(await probe.request('GET', `${base}/${nobody}/$nope`), 404, 'not-found')
})
