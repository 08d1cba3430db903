import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createArtifact,
  expectProblem,
  frameType,
  nobody,
  type Probe,
  startProbe,
  timestamp,
  train,
  trainAndPredict,
  data as trainingData,
  ulid,
} from './fixtures.ts'

const base = '/api/v1/artifacts'
const metadataKeys = [
  'status',
  'config_id',
  'started_at',
  'completed_at',
  'duration_seconds',
  'exit_code',
  'stdout',
  'stderr',
]
let probe: Probe
let made: Awaited<ReturnType<typeof trainAndPredict>>
beforeAll(async () => {
  probe = await startProbe()
  made = await trainAndPredict(probe)
})
afterAll(() => probe.close())

const get = async (id: string) => (await probe.request('GET', `${base}/${id}`)).json

describe('creating an artifact', () => {
  test('answers 201 with Location and the artifact; a level that is sent is ignored', async () => {
    const answer = await probe.request('POST', base, {
      data: { type: 'generic', metadata: { a: 1 }, content: { b: [1, null] } },
      tags: ['t'],
      level: 7,
    })
    const { id, created_at } = answer.json
    expect(answer.status).toBe(201)
    expect(id).toMatch(ulid)
    expect(created_at).toMatch(timestamp)
    expect(answer.text).toBe(
      JSON.stringify({
        id,
        created_at,
        updated_at: created_at,
        tags: ['t'],
        data: { type: 'generic', metadata: { a: 1 }, content: { b: [1, null] } },
        parent_id: null,
        level: 0,
      }),
    )
    expect(answer.headers.location).toMatch(new RegExp(`/api/v1/artifacts/${id}$`))
    expect((await probe.request('GET', `${base}/${id}`)).text).toBe(answer.text)
  })

  test.each([
    ['text', 'x'],
    ['a number', 0],
    ['false', false],
    ['a list', [1, { content: 2 }]],
    ['an empty object', {}],
    ['content first', { content: 1, z: 2 }],
    ['content last', { z: 2, content: null }],
    ['content alone', { content: 'text' }],
    ['content between', { a: 1, content: { content: 3 }, z: 2 }],
  ])('keeps data that is %s as it is', async (_name, data) => {
    const created = await probe.request('POST', base, { data })
    expect(created.json.data).toEqual(data)
    const read = await probe.request('GET', `${base}/${created.json.id}`)
    expect(read.text).toBe(created.text)
    expect(JSON.stringify(read.json.data)).toBe(JSON.stringify(data))
  })

  test('needs data that is not null', async () => {
    for (const body of [{}, { data: null }]) {
      expectProblem(await probe.request('POST', base, body), 422, 'validation-failed', [
        'body',
        'data',
      ])
    }
  })

  test('with an id that exists is 409, also with the same content, and changes nothing', async () => {
    const id = '01K72P5N5KCRM6MD3BRE4P0002'
    const body = { id, data: { content: { a: 1 } } }
    const first = await probe.request('POST', base, body)
    expect(first.json.id).toBe(id)
    expectProblem(await probe.request('POST', base, body), 409, 'conflict')
    const other = await probe.request('POST', base, { ...body, data: { content: { a: 2 } } })
    expectProblem(other, 409, 'conflict')
    expect((await get(id)).data).toEqual({ content: { a: 1 } })
  })

  test('under a parent is one level below it', async () => {
    const root = await createArtifact(probe, { data: 1 })
    const { json } = await probe.request('POST', base, { data: 2, parent_id: root })
    expect(json).toMatchObject({ parent_id: root, level: 1 })
  })
})

describe('replacing an artifact', () => {
  test('replaces its data; tags and a parent that are not sent stay', async () => {
    const root = await createArtifact(probe, { data: 1 })
    const id = await createArtifact(probe, { data: { content: 1 }, parent_id: root, tags: ['t'] })
    const answer = await probe.request('PUT', `${base}/${id}`, { data: { content: 2, new: true } })
    expect(answer.status).toBe(200)
    expect(answer.json).toMatchObject({
      id,
      data: { content: 2, new: true },
      tags: ['t'],
      parent_id: root,
      level: 1,
    })
    expect(await get(id)).toEqual(answer.json)
    const { json } = await probe.request('PUT', `${base}/${id}`, { data: 3, tags: [] })
    expect(json).toMatchObject({ data: 3, tags: [], parent_id: root })
  })

  test('moves it with everything below; null makes it a root', async () => {
    const [a, b] = [
      await createArtifact(probe, { data: 1 }),
      await createArtifact(probe, { data: 1 }),
    ]
    const child = await createArtifact(probe, { data: 1, parent_id: b })
    const leaf = await createArtifact(probe, { data: 1, parent_id: child })
    await probe.request('PUT', `${base}/${b}`, { data: 1, parent_id: a })
    expect((await get(b)).level).toBe(1)
    expect((await get(leaf)).level).toBe(3)
    await probe.request('PUT', `${base}/${child}`, { data: 1, parent_id: null })
    expect(await get(child)).toMatchObject({ level: 0, parent_id: null })
    expect((await get(leaf)).level).toBe(1)
  })
})

describe('deleting an artifact', () => {
  test('leaves its children as roots, with levels that fit', async () => {
    const root = await createArtifact(probe, { data: 1 })
    const middle = await createArtifact(probe, { data: 1, parent_id: root })
    const leaf = await createArtifact(probe, { data: 1, parent_id: middle })
    const below = await createArtifact(probe, { data: 1, parent_id: leaf })
    expect(await probe.request('DELETE', `${base}/${middle}`)).toMatchObject({
      status: 204,
      text: '',
    })
    expect(await get(leaf)).toMatchObject({ parent_id: null, level: 0 })
    expect(await get(below)).toMatchObject({ parent_id: leaf, level: 1 })
    expect((await probe.request('GET', `${base}/${root}/$tree`)).json.children).toEqual([])
  })
})

describe('what a training and a prediction make', () => {
  test('is a tree of three levels with labels, without content at any depth', async () => {
    const { json } = await probe.request('GET', `${base}/${made.artifactId}/$tree`)
    expect(Object.keys(json)).toEqual([
      'id',
      'created_at',
      'updated_at',
      'tags',
      'data',
      'parent_id',
      'level',
      'level_label',
      'hierarchy',
      'children',
    ])
    const dataOf = (type: string, content_type: string, content_size: unknown) => ({
      type,
      metadata: {
        status: 'success',
        config_id: made.configId,
        started_at: expect.stringMatching(timestamp),
        completed_at: expect.stringMatching(timestamp),
        duration_seconds: expect.any(Number),
        exit_code: null,
        stdout: null,
        stderr: null,
      },
      content_type,
      content_size,
    })
    const node = { created_at: expect.stringMatching(timestamp), tags: [], hierarchy: 'ml' }
    const size = expect.any(Number)
    expect(json).toEqual({
      ...node,
      id: made.artifactId,
      updated_at: json.created_at,
      data: dataOf('ml_training_workspace', 'application/zip', size),
      parent_id: null,
      level: 0,
      level_label: 'ml_training_workspace',
      children: [
        {
          ...node,
          id: made.predictionId,
          updated_at: expect.stringMatching(timestamp),
          data: dataOf('ml_prediction', frameType, null),
          parent_id: made.artifactId,
          level: 1,
          level_label: 'ml_prediction',
          children: [
            {
              ...node,
              id: expect.stringMatching(ulid),
              updated_at: expect.stringMatching(timestamp),
              data: dataOf('ml_prediction_workspace', 'application/zip', size),
              parent_id: made.predictionId,
              level: 2,
              level_label: 'ml_prediction_workspace',
              children: [],
            },
          ],
        },
      ],
    })
    expect(Object.keys(json.data.metadata)).toEqual(metadataKeys)
    const [prediction] = json.children
    const subtree = await probe.request('GET', `${base}/${made.predictionId}/$tree`)
    expect(subtree.json).toEqual(prediction)
  })

  test('carries exactly the keys that clients allow, the prediction’s frame in place', async () => {
    const prediction = await get(made.predictionId)
    expect(Object.keys(prediction.data)).toEqual([
      'type',
      'metadata',
      'content',
      'content_type',
      'content_size',
    ])
    expect(prediction.data.content).toEqual({
      columns: ['time_period', 'location', 'sample_0', 'sample_1'],
      data: [['2020-03', 'l0', 2, 3.5]],
      schema: {
        fields: [
          { name: 'time_period', type: 'string' },
          { name: 'location', type: 'string' },
          { name: 'sample_0', type: expect.stringMatching(/^(integer|number)$/) },
          { name: 'sample_1', type: 'number' },
        ],
      },
    })
    const training = await get(made.artifactId)
    expect(training.data.content).toEqual({
      _type: 'bytes',
      _module: 'builtins',
      _repr: `<${training.data.content_size} bytes>`,
      _serialization_error: 'Value is not JSON-serializable.',
    })
  })

  test('expands to a node without content and children', async () => {
    const { json } = await probe.request('GET', `${base}/${made.predictionId}/$expand`)
    const { content, ...data } = (await get(made.predictionId)).data
    expect(content).toBeDefined()
    expect(json).toMatchObject({
      id: made.predictionId,
      data,
      level_label: 'ml_prediction',
      hierarchy: 'ml',
      children: null,
    })
    expect(json.data).toEqual(data)
  })

  test('has metadata, a config and a lineage of its own', async () => {
    const { json: metadata } = await probe.request('GET', `${base}/${made.predictionId}/$metadata`)
    expect(Object.keys(metadata)).toEqual(metadataKeys)
    for (const id of [made.artifactId, made.predictionId]) {
      expect((await probe.request('GET', `${base}/${id}/$config`)).json.id).toBe(made.configId)
    }
    const { json: lineage } = await probe.request('GET', `${base}/${made.artifactId}/$lineage`)
    expect(lineage).toMatchObject({
      config_id: made.configId,
      config: { n_lags: 3, 'learning-rate': 0.5 },
      inputs: { data: expect.stringMatching(/^[0-9a-f]{64}$/) },
      metrics: { mae: 3.2, rows: 2 },
    })
    const sent = createHash('sha256').update(JSON.stringify(trainingData)).digest('hex')
    expect(lineage.inputs.data).toBe(sent)
    const { json: predicted } = await probe.request('GET', `${base}/${made.predictionId}/$lineage`)
    expect(predicted).toMatchObject({ config_id: made.configId, training: made.artifactId })
  })

  test('keeps the config as it was at training', async () => {
    await using fresh = await startProbe()
    const { configId, artifactId } = await train(fresh, { n_lags: 5 })
    await fresh.request('PUT', `/api/v1/configs/${configId}`, { name: 'c', data: { n_lags: 9 } })
    const { json } = await fresh.request('GET', `${base}/${artifactId}/$lineage`)
    expect(json.config.n_lags).toBe(5)
  })
})

describe('other artifacts', () => {
  test('have empty metadata and lineage, level labels by number, and no config', async () => {
    let id = await createArtifact(probe, { data: [1] })
    expect((await probe.request('GET', `${base}/${id}/$metadata`)).json).toEqual({})
    expect((await probe.request('GET', `${base}/${id}/$lineage`)).json).toEqual({})
    for (let level = 1; level <= 3; level++) {
      id = await createArtifact(probe, { data: { metadata: { level } }, parent_id: id })
    }
    expect((await probe.request('GET', `${base}/${id}/$expand`)).json).toMatchObject({
      level: 3,
      level_label: 'level_3',
    })
    expect((await probe.request('GET', `${base}/${id}/$metadata`)).json).toEqual({ level: 3 })
    expectProblem(await probe.request('GET', `${base}/${id}/$config`), 404, 'not-found')
  })

  test.each(['', '/$expand', '/$tree', '/$metadata', '/$lineage', '/$download', '/$config'])(
    'that do not exist are 404 at %s, a bad id 400',
    async (operation) => {
      expectProblem(await probe.request('GET', `${base}/${nobody}${operation}`), 404, 'not-found')
      expectProblem(await probe.request('GET', `${base}/zz${operation}`), 400, 'invalid-ulid')
    },
  )
})

describe('the list of artifacts', () => {
  test('has everything but content, in order of creation, whole or by page', async () => {
    await using fresh = await startProbe()
    const ids = []
    for (let n = 0; n < 3; n++) {
      ids.push(await createArtifact(fresh, { data: { n, content: { big: n } } }))
    }
    const { json, text } = await fresh.request('GET', base)
    expect(json.map((each: { id: string }) => each.id)).toEqual(ids)
    expect(json[1].data).toEqual({ n: 1 })
    expect(text).not.toContain('big')
    const page = await fresh.request('GET', `${base}?page=2&size=2`)
    expect(page.json).toEqual({ items: [json[2]], total: 3, page: 2, size: 2, pages: 2 })
    expect(Object.keys(page.json)).toEqual(['items', 'total', 'page', 'size', 'pages'])
    const keyed = await fresh.request('GET', `${base}?after=${ids[0]}&size=2`)
    expect(keyed.json).toEqual(json.slice(1))
    expect(keyed.headers.link).toBe(`<?after=${ids[2]}&size=2>; rel="next"`)
    expect((await fresh.request('GET', `${base}/$stats`)).json).toEqual({ total: 3 })
  })

  test('has a schema with the fields of an artifact', async () => {
    const { json } = await probe.request('GET', `${base}/$schema`)
    expect(json).toMatchObject({ title: 'ArtifactOut', type: 'object' })
    expect(Object.keys(json.properties)).toEqual([
      'id',
      'created_at',
      'updated_at',
      'tags',
      'data',
      'parent_id',
      'level',
    ])
    expect(json.required).toEqual(['id', 'created_at', 'updated_at', 'data', 'level'])
  })
})
