import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  columns,
  createArtifact,
  createConfig,
  data,
  expectProblem,
  future,
  nobody,
  type Probe,
  startProbe,
  train,
} from '../compat/fixtures.ts'

let probe: Probe
let trained: Awaited<ReturnType<typeof train>>
beforeAll(async () => {
  probe = await startProbe()
  trained = await train(probe)
})
afterAll(() => probe.close())

type Loc = (string | number)[]
const notIds: [string, unknown][] = [
  ['lower case', nobody.toLowerCase()],
  ['too large', `8${'0'.repeat(25)}`],
  ['too short', nobody.slice(1)],
  ['too long', `${nobody}0`],
  ['the letter U', `${nobody.slice(1)}U`],
  ['blanks around', ` ${nobody}`],
  ['a line break behind', `${nobody}\n`],
  ['a UUID', 'f47ac10b-58cc-4372-a567-0e02b2c3d479'],
  ['empty', ''],
  ['an integer', 1795000000000],
  ['a float', 1.5],
  ['true', true],
  ['a list', [nobody]],
  ['an object', { id: nobody }],
]

describe('configs', () => {
  const valid = { name: 'a', data: {} }
  const cases: [string, Record<string, unknown>, Loc, string][] = [
    ['no name', { data: {} }, ['body', 'name'], 'got nothing'],
    ['name null', { ...valid, name: null }, ['body', 'name'], 'Expected a string, got null'],
    ['name a number', { ...valid, name: 5 }, ['body', 'name'], 'Expected a string, got 5'],
    ['no data', { name: 'a' }, ['body', 'data'], 'Expected a value for `data`, got nothing'],
    ['data null', { name: 'a', data: null }, ['body', 'data'], 'Expected an object, got null'],
    ['data a list', { name: 'a', data: [] }, ['body', 'data'], 'Expected an object, got []'],
    ['data text', { name: 'a', data: 'x' }, ['body', 'data'], 'Expected an object, got "x"'],
    ['tags null', { ...valid, tags: null }, ['body', 'tags'], 'Expected an array, got null'],
    ['tags text', { ...valid, tags: 'x' }, ['body', 'tags'], 'Expected an array, got "x"'],
    ['a tag with a blank', { ...valid, tags: ['a b'] }, ['body', 'tags', 0], 'got "a b"'],
    ['a tag with a dot', { ...valid, tags: ['ok', 'a.b'] }, ['body', 'tags', 1], 'got "a.b"'],
    ['an empty tag', { ...valid, tags: [''] }, ['body', 'tags', 0], 'got ""'],
    ['a tag that is none', { ...valid, tags: [5] }, ['body', 'tags', 0], 'got 5'],
    ['a long tag', { ...valid, tags: ['x'.repeat(101)] }, ['body', 'tags', 0], 'at most 100'],
    ['a tag twice', { ...valid, tags: ['a', 'a'] }, ['body', 'tags'], 'items that differ'],
    [
      '51 tags',
      { ...valid, tags: Array.from({ length: 51 }, (_, n) => `t${n}`) },
      ['body', 'tags'],
      'at most 50 items',
    ],
    [
      'periods that are text',
      { name: 'a', data: { prediction_periods: 'x' } },
      ['body', 'data', 'prediction_periods'],
      'got "x"',
    ],
    [
      'periods that are text of a number',
      { name: 'a', data: { prediction_periods: '3' } },
      ['body', 'data', 'prediction_periods'],
      'got "3"',
    ],
    [
      'periods with a fraction',
      { name: 'a', data: { prediction_periods: 3.5 } },
      ['body', 'data', 'prediction_periods'],
      'got 3.5',
    ],
    [
      'periods null',
      { name: 'a', data: { prediction_periods: null } },
      ['body', 'data', 'prediction_periods'],
      'got null',
    ],
    [
      'covariates that are numbers',
      { name: 'a', data: { additional_continuous_covariates: ['x', 5] } },
      ['body', 'data', 'additional_continuous_covariates', 1],
      'got 5',
    ],
    [
      'an option below its bound',
      { name: 'a', data: { n_lags: 0 } },
      ['body', 'data', 'n_lags'],
      'got 0',
    ],
    [
      'a nested option of the wrong type',
      { name: 'a', data: { user_option_values: { n_lags: [6] } } },
      ['body', 'data', 'n_lags'],
      'got [6]',
    ],
  ]

  test.each(cases)('%s', async (_name, body, loc, text) => {
    const id = await createConfig(probe)
    for (const [method, url] of [
      ['POST', '/api/v1/configs'],
      ['PUT', `/api/v1/configs/${id}`],
    ] as const) {
      const problem = expectProblem(
        await probe.request(method, url, body),
        422,
        'validation-failed',
        loc,
      )
      expect(JSON.stringify(problem.errors)).toContain(JSON.stringify(text).slice(1, -1))
      expect(problem.detail).toContain(loc.join('.'))
    }
  })

  test.each([
    [{ prediction_periods: 'x' }, 'Expected number, got "x"'],
    [{ prediction_periods: 3.5 }, 'Expected int, got 3.5'],
    [{ n_lags: 0 }, 'Expected number to be >=1, got 0'],
    [{ behaviour: 'q' }, 'Expected one of "plain"|"wait"|"throw"|"chatter", got "q"'],
  ])('say what was expected and what came: %j', async (options, msg) => {
    const answer = await probe.request('POST', '/api/v1/configs', { name: 'a', data: options })
    const [name] = Object.keys(options)
    expect(answer.json.errors).toEqual([
      { loc: ['body', 'data', name], msg, type: expect.any(String) },
    ])
  })

  test('every fault is told at once', async () => {
    const answer = await probe.request('POST', '/api/v1/configs', { tags: 'x', name: 5 })
    const problem = expectProblem(answer, 422, 'validation-failed')
    expect(problem.errors.map(({ loc }: { loc: Loc }) => loc.join('.')).toSorted()).toEqual([
      'body.data',
      'body.name',
      'body.tags',
    ])
    const inData = await probe.request('POST', '/api/v1/configs', {
      name: 'a',
      data: { prediction_periods: 'x', n_lags: 0 },
    })
    expect(inData.json.errors).toHaveLength(2)
  })

  test.each(notIds.slice(0, -4))('an id that is %s', async (_name, id) => {
    const answer = await probe.request('POST', '/api/v1/configs', { ...valid, id })
    expectProblem(answer, 422, 'validation-failed', ['body', 'id'])
  })

  test('nothing that was refused is stored', async () => {
    await using fresh = await startProbe()
    for (const [, body] of cases) await fresh.request('POST', '/api/v1/configs', body)
    expect((await fresh.request('GET', '/api/v1/configs')).json).toEqual([])
  })
})

describe('ids in bodies', () => {
  const places: [string, (id: unknown) => [method: string, url: string, body: object, Loc]][] = [
    ['artifact id', (id) => ['POST', '/api/v1/artifacts', { data: 1, id }, ['body', 'id']]],
    [
      'parent',
      (id) => ['POST', '/api/v1/artifacts', { data: 1, parent_id: id }, ['body', 'parent_id']],
    ],
    [
      'link',
      (id) => [
        'POST',
        `/api/v1/configs/${nobody}/$link-artifact`,
        { artifact_id: id },
        ['body', 'artifact_id'],
      ],
    ],
    [
      'training',
      (id) => ['POST', '/api/v1/ml/$train', { config_id: id, data }, ['body', 'config_id']],
    ],
    [
      'prediction',
      (id) => [
        'POST',
        '/api/v1/ml/$predict',
        { artifact_id: id, historic: data, future },
        ['body', 'artifact_id'],
      ],
    ],
    [
      'the older name of the model',
      (id) => [
        'POST',
        '/api/v1/ml/$predict',
        { model_artifact_id: id, historic: data, future },
        ['body', 'model_artifact_id'],
      ],
    ],
    [
      'validation',
      (id) => [
        'POST',
        '/api/v1/ml/$validate',
        { type: 'train', config_id: id, data },
        ['body', 'config_id'],
      ],
    ],
  ]

  test.each(places)('%s', async (_name, place) => {
    for (const [kind, id] of notIds) {
      const [method, url, body, loc] = place(id)
      const answer = await probe.request(method, url, body)
      expect(answer.status, kind).toBe(422)
      const problem = expectProblem(answer, 422, 'validation-failed', loc)
      expect(problem.detail, kind).toMatch(/Expected (a ULID|a string|text)/)
    }
  })

  test('null and nothing are told apart from what is no id', async () => {
    const none = await probe.request('POST', '/api/v1/ml/$train', { config_id: null, data })
    expect(expectProblem(none, 422, 'validation-failed').errors[0].msg).toContain('got null')
    const missing = await probe.request('POST', '/api/v1/ml/$train', { data })
    expect(expectProblem(missing, 422, 'validation-failed').errors[0]).toEqual({
      loc: ['body', 'config_id'],
      msg: 'Expected a ULID, got nothing',
      type: 'missing',
    })
  })
})

describe('ids in paths', () => {
  const bad = [
    'zz',
    nobody.toLowerCase(),
    `8${'0'.repeat(25)}`,
    '%2e%2e%2fetc%2fpasswd',
    '..%2f..%2fetc%2fpasswd',
    '..%5c..%5cwindows',
    '%252e%252e%252f',
    '%00',
    `${nobody}%00`,
    `${nobody}%0a`,
    `%20${nobody}`,
    `${nobody}%2f$download`,
    "'%20OR%201=1--",
    '%F0%9F%98%80',
    '__proto__',
    'null',
    'x'.repeat(128),
  ]

  test.each(bad)('%s is refused', async (id) => {
    for (const noun of ['configs', 'artifacts']) {
      for (const method of ['GET', 'DELETE']) {
        const answer = await probe.request(method, `/api/v1/${noun}/${id}`)
        const problem = expectProblem(answer, 400, 'invalid-ulid')
        expect(problem.detail).toMatch(/^Invalid ULID format: /)
      }
    }
    expectProblem(await probe.request('GET', `/api/v1/jobs/${id}`), 400, 'invalid-ulid')
    expectProblem(await probe.request('GET', `/api/v1/jobs/${id}/$stream`), 400, 'invalid-ulid')
  })

  test('that cannot be decoded are refused', async () => {
    for (const id of ['%zz', '%', '%c0%af', '%ff', '%ed%a0%80']) {
      expectProblem(await probe.request('GET', `/api/v1/configs/${id}`), 400, 'bad-request')
    }
  })

  test('that are very long are refused, and not repeated in full', async () => {
    const answer = await probe.request('GET', `/api/v1/configs/${'x'.repeat(10_000)}`)
    expectProblem(answer, 414, 'uri-too-long')
    expect(answer.text.length).toBeLessThan(1000)
  })
})

describe('frames', () => {
  const frames: [string, unknown, Loc, string][] = [
    ['nothing', undefined, [], 'got nothing'],
    ['null', null, [], 'got null'],
    ['text', 'x', [], 'got "x"'],
    ['a list of records', [{ a: 1 }], [], 'an object with `columns` and `data`'],
    ['no columns', { data: [] }, ['columns'], 'an array of column names, got nothing'],
    ['columns null', { columns: null, data: [] }, ['columns'], 'got null'],
    ['a column that is a number', { columns: ['a', 5], data: [] }, ['columns', 1], 'got 5'],
    ['an empty column', { columns: [''], data: [] }, ['columns', 0], 'a name, got ""'],
    ['a column twice', { columns: ['a', 'a'], data: [] }, ['columns', 1], 'each column once'],
    ['no data', { columns: ['a'] }, ['data'], 'an array of rows, got nothing'],
    ['data an object', { columns: ['a'], data: {} }, ['data'], 'an array of rows, got an object'],
    ['a row that is none', { columns: ['a'], data: [1] }, ['data', 0], 'an array of cells, got 1'],
    ['a row null', { columns: ['a'], data: [[1], null] }, ['data', 1], 'got null'],
    [
      'a short row',
      { columns: ['a', 'b'], data: [[1, 2], [1]] },
      ['data', 1],
      '2 cells as in `columns`, got 1',
    ],
    [
      'a long row',
      { columns: ['a'], data: [[1, 2]] },
      ['data', 0],
      '1 cells as in `columns`, got 2',
    ],
    ['a cell that is a list', { columns: ['a'], data: [[[1]]] }, ['data', 0, 0], 'got [1]'],
    ['a cell that is an object', { columns: ['a'], data: [[{}]] }, ['data', 0, 0], 'got an object'],
    ['a schema that is none', { columns: ['a'], data: [], schema: 5 }, ['schema'], 'got 5'],
    [
      'a field of an unknown type',
      { columns: ['a'], data: [], schema: { fields: [{ name: 'a', type: 'date' }] } },
      ['schema', 'fields', 0, 'type'],
      'got "date"',
    ],
  ]

  test.each(frames)('%s', async (_name, frame, path, text) => {
    const { configId: config_id, artifactId: artifact_id } = trained
    const bodies: [string, object, string][] = [
      ['$train', { config_id, data: frame }, 'data'],
      ['$predict', { artifact_id, historic: frame, future }, 'historic'],
      ['$predict', { artifact_id, historic: data, future: frame }, 'future'],
      ['$validate', { type: 'train', config_id, data: frame }, 'data'],
      ['$validate', { type: 'predict', artifact_id, historic: frame, future }, 'historic'],
    ]
    for (const [operation, body, field] of bodies) {
      const answer = await probe.request('POST', `/api/v1/ml/${operation}`, body)
      const loc = ['body', field, ...path]
      const problem = expectProblem(answer, 422, 'validation-failed', loc)
      expect(problem.errors[0].msg).toContain(text)
    }
  })

  test('many faults are not all told, and never more than they are worth', async () => {
    const frame = { columns, data: Array.from({ length: 20_000 }, () => [1]) }
    const answer = await probe.request('POST', '/api/v1/ml/$train', {
      config_id: trained.configId,
      data: frame,
    })
    const problem = expectProblem(answer, 422, 'validation-failed', ['body', 'data', 'data', 0])
    expect(problem.errors.length).toBeLessThanOrEqual(50)
    expect(answer.text.length).toBeLessThan(10_000)
  })

  test('a large body is refused in the same words by the thread that reads it', async () => {
    const frame = { columns: ['a'], data: Array.from({ length: 200_000 }, () => [1]) }
    const send = (body: unknown) => probe.request('POST', '/api/v1/ml/$train', body)
    const ragged = await send({
      config_id: trained.configId,
      data: { ...frame, data: [...frame.data, []] },
    })
    expectProblem(ragged, 422, 'validation-failed', ['body', 'data', 'data', 200_000])
    const broken = `{"config_id":"${trained.configId}","data":${JSON.stringify(frame)}`
    const answer = await probe.request('POST', '/api/v1/ml/$train', broken, {
      'content-type': 'application/json',
    })
    expectProblem(answer, 400, 'invalid-json')
  })

  test.each([
    ['a list', []],
    ['another type', { type: 'Feature' }],
    ['features null', { type: 'FeatureCollection', features: null }],
    [
      'a position that is none',
      {
        type: 'FeatureCollection',
        features: [
          {
            type: 'Feature',
            properties: null,
            geometry: { type: 'Point', coordinates: ['x', 1] },
          },
        ],
      },
    ],
    [
      'a kind of shape that there is not',
      {
        type: 'FeatureCollection',
        features: [
          { type: 'Feature', properties: null, geometry: { type: 'Circle', coordinates: [1, 1] } },
        ],
      },
    ],
  ])('shapes that are %s', async (_name, geo) => {
    const body = { config_id: trained.configId, data, geo }
    const answer = await probe.request('POST', '/api/v1/ml/$train', body)
    const problem = expectProblem(answer, 422, 'validation-failed')
    expect(problem.errors[0].loc.slice(0, 2)).toEqual(['body', 'geo'])
  })
})

describe('artifacts', () => {
  test('under a parent that is not there', async () => {
    const id = await createArtifact(probe, { data: 1 })
    for (const [method, url] of [
      ['POST', '/api/v1/artifacts'],
      ['PUT', `/api/v1/artifacts/${id}`],
    ] as const) {
      const answer = await probe.request(method, url, { data: 1, parent_id: nobody })
      const problem = expectProblem(answer, 422, 'validation-failed', ['body', 'parent_id'])
      expect(problem.detail).toContain(`got ${nobody}, which does not exist`)
    }
  })

  test('in a circle', async () => {
    const ids = [await createArtifact(probe, { data: 1 })]
    for (let level = 1; level < 4; level++) {
      ids.push(await createArtifact(probe, { data: 1, parent_id: ids.at(-1) }))
    }
    for (const below of ids) {
      const body = { data: 1, parent_id: below }
      const answer = await probe.request('PUT', `/api/v1/artifacts/${ids[0]}`, body)
      expectProblem(answer, 409, 'conflict')
    }
    const { json } = await probe.request('GET', `/api/v1/artifacts/${ids[0]}`)
    expect(json).toMatchObject({ parent_id: null, level: 0 })
  })

  test('two moves at once never make a circle', async () => {
    for (let round = 0; round < 20; round++) {
      const [a, b] = [
        await createArtifact(probe, { data: 1 }),
        await createArtifact(probe, { data: 1 }),
      ]
      const move = (id: string, parent: string) =>
        probe.request('PUT', `/api/v1/artifacts/${id}`, { data: 1, parent_id: parent })
      const answers = await Promise.all([move(a, b), move(b, a)])
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409])
    }
  })

  test('deeper than a tree may be', async () => {
    let id = await createArtifact(probe, { data: 0 })
    for (let level = 1; level < 100; level++) {
      id = await createArtifact(probe, { data: level, parent_id: id })
    }
    const answer = await probe.request('POST', '/api/v1/artifacts', { data: 1, parent_id: id })
    expectProblem(answer, 422, 'validation-failed', ['body', 'parent_id'])
    const root = await createArtifact(probe, { data: 1 })
    const child = await createArtifact(probe, { data: 1, parent_id: root })
    const moved = await probe.request('PUT', `/api/v1/artifacts/${root}`, {
      data: 1,
      parent_id: id,
    })
    expectProblem(moved, 422, 'validation-failed', ['body', 'parent_id'])
    expect((await probe.request('GET', `/api/v1/artifacts/${child}`)).json.level).toBe(1)
  })
})
