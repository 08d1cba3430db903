import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { expectProblem, nobody, type Probe, startProbe } from '../compat/fixtures.ts'

let probe: Probe
beforeAll(async () => {
  probe = await startProbe()
})
afterAll(() => probe.close())
// Whatever came in: nothing of it has reached the prototypes that everything shares.
afterEach(() => {
  expect(Object.keys(Object.prototype)).toEqual([])
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})

/** Every route that reads JSON. The two sides read it apart: the framework's parser, and the intake of large bodies. */
const routes: [method: string, url: string][] = [
  ['POST', '/api/v1/configs'],
  ['PUT', `/api/v1/configs/${nobody}`],
  ['POST', '/api/v1/artifacts'],
  ['PUT', `/api/v1/artifacts/${nobody}`],
  ['POST', `/api/v1/configs/${nobody}/$link-artifact`],
  ['POST', '/api/v1/ml/$train'],
  ['POST', '/api/v1/ml/$predict'],
  ['POST', '/api/v1/ml/$validate'],
]
const json = { 'content-type': 'application/json' }

describe.each(routes)('%s %s', (method, url) => {
  const send = (body: string | Uint8Array) => probe.request(method, url, body, json)

  test.each([
    ['nothing', ''],
    ['blanks', ' \n\t'],
    ['text', 'hello'],
    ['an object that does not end', '{"name":"a"'],
    ['a comma too many', '{"name":"a",}'],
    ['single quotes', "{'name':'a'}"],
    ['NaN', '{"name":NaN}'],
    ['Infinity', '{"name":-Infinity}'],
    ['two documents', '{}{}'],
    ['a NUL', '{}\u0000'],
    ['a string that does not end', '{"name":"a'],
    ['an escape that is none', '{"name":"\\x"}'],
    ['a comment', '{} // a'],
  ])('refuses %s', async (_name, body) => {
    const problem = expectProblem(await send(body), 400, 'invalid-json')
    expect(problem.detail).toContain('Expected a JSON document, got')
    expect(problem.instance).toBe(url)
  })

  test('says where the JSON is broken', async () => {
    const problem = expectProblem(await send('{\n  "name": oops\n}'), 400, 'invalid-json')
    expect(problem.detail).toBe('Expected a JSON document, got a syntax error at line 2, column 11')
  })

  test.each([
    ['a lone continuation byte', [0x7b, 0x22, 0x80, 0x22, 0x7d]],
    ['an overlong form', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['Latin-1', [...Buffer.from('{"name":"caf\u00e9"}', 'latin1')]],
    ['UTF-16', [...Buffer.from('\ufeff{}', 'utf16le')]],
  ])('refuses %s as no UTF-8', async (_name, bytes) => {
    const problem = expectProblem(await send(Uint8Array.from(bytes)), 400, 'invalid-json')
    expect(problem.detail).toContain('UTF-8')
  })

  test.each([
    ['plain', '{"__proto__":{"polluted":1}}'],
    ['escaped', '{"\\u005f_proto__":{"polluted":1}}'],
    ['nested', '{"data":{"a":[{"__proto__":{"polluted":1}}]}}'],
    ['constructor', '{"data":{"constructor":{"prototype":{"polluted":1}}}}'],
    ['prototype', '{"prototype":{"polluted":1}}'],
  ])('refuses prototype keys: %s', async (_name, body) => {
    const problem = expectProblem(await send(body), 400, 'invalid-json')
    expect(problem.detail).toMatch(/^The key "(__proto__|constructor|prototype)" is not allowed/)
  })

  test.each([
    ['at the top', '{"name":"a","name":"b"}'],
    ['escaped', '{"name":"a","n\\u0061me":"b"}'],
    ['deep inside', '{"data":{"a":[1,{"b":1,"b":2}]}}'],
    ['equal ones', '{"a":1,"a":1}'],
  ])('refuses a key that comes twice: %s', async (_name, body) => {
    const problem = expectProblem(await send(body), 400, 'invalid-json')
    expect(problem.detail).toMatch(/^Duplicate key "\w+" at line 1, column \d+$/)
  })

  test.each(['[', '{"a":'])('refuses 20 000 levels of %s', async (open) => {
    const close = open === '[' ? ']' : '}'
    const body = `${open.repeat(20_000)}1${close.repeat(20_000)}`
    const problem = expectProblem(await send(body), 400, 'invalid-json')
    expect(problem.detail).toContain('at most 64 levels')
    expectProblem(await send(open.repeat(20_000)), 400, 'invalid-json')
  })

  test.each(['1e999', '-1e999', '9007199254740993', '-9007199254740993', '1'.repeat(400)])(
    'refuses the number %s',
    async (number) => {
      const problem = expectProblem(
        await send(`{"data":{"a":${number}}}`),
        422,
        'validation-failed',
      )
      expect(problem.detail).toMatch(/^The number .* does not fit a double; send it as a string$/)
    },
  )

  test.each([
    ['null', 'null'],
    ['a list', '[]'],
    ['text', '"a"'],
    ['a number', '5'],
    ['true', 'true'],
  ])('refuses %s where an object is expected', async (_name, body) => {
    const problem = expectProblem(await send(body), 422, 'validation-failed')
    expect(problem.detail).toContain('Expected an object, got')
  })
})

test.each([
  ['{"a":1 "b":2}', 'a syntax error at line 1, column 8'],
  ['[1,]', 'a syntax error at line 1, column 4'],
  ['{"a"}', 'a syntax error at line 1, column 5'],
  ['{"a":01}', 'a syntax error at line 1, column 7'],
  ['{"a":tru}', 'a syntax error at line 1, column 6'],
  ['{"a":1}}', 'a syntax error at line 1, column 8'],
  ['{"a":[1}', 'a syntax error at line 1, column 8'],
  ['\n\n  x', 'a syntax error at line 3, column 3'],
  ['{"a":', 'one that ends early'],
  ['[[1,2', 'one that ends early'],
  ['', 'an empty body'],
])('tells of %j where it breaks: %s', async (body, where) => {
  const problem = expectProblem(
    await probe.request('POST', '/api/v1/ml/$train', body, json),
    400,
    'invalid-json',
  )
  expect(problem.detail).toBe(`Expected a JSON document, got ${where}`)
})

describe('what is unusual and still JSON', () => {
  const create = (body: string | Uint8Array) => probe.request('POST', '/api/v1/configs', body, json)

  test('a byte order mark at the start is passed over', async () => {
    const answer = await create('\ufeff{"name":"a","data":{}}')
    expect(answer.status).toBe(201)
  })

  test('numbers at the edge keep their value', async () => {
    const numbers = [9007199254740991, -9007199254740991, 1.7976931348623157e308, 5e-324, 0.1]
    const answer = await create(JSON.stringify({ name: 'a', data: { numbers } }))
    expect(answer.json.data.numbers).toEqual(numbers)
  })

  test('text of any kind comes back as it was', async () => {
    const texts = [
      '\u0000',
      'a"b\\c\n',
      '😀',
      '\ud800',
      '‮',
      '</script>',
      "'; DROP TABLE config; --",
    ]
    const name = texts.join(' ').toWellFormed()
    const { json: made } = await create(JSON.stringify({ name, data: { texts } }))
    const { json: read } = await probe.request('GET', `/api/v1/configs/${made.id}`)
    expect(read.data.texts).toEqual(texts)
    expect(read.name).toBe(name)
  })

  test('half a character in a name is refused: it could not come back', async () => {
    const answer = await create('{"name":"a\\ud800","data":{}}')
    expectProblem(answer, 422, 'validation-failed', ['body', 'name'])
  })

  test('64 levels are enough for anybody', async () => {
    const nest = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
    const body = (levels: number) => `{"name":"a","data":{"a":${nest(levels)}}}`
    expect((await create(body(62))).status).toBe(201)
    expectProblem(await create(body(63)), 400, 'invalid-json')
  })

  test('a key of 100 000 characters and 5 000 keys are only data', async () => {
    const data = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`key ${n}`, n]))
    const body = JSON.stringify({ name: 'a', data: { ...data, ['x'.repeat(100_000)]: 1 } })
    const answer = await create(body)
    expect(answer.status).toBe(201)
    expect(Object.keys(answer.json.data)).toHaveLength(5006)
  })
})
