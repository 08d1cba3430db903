import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { maximumDepth, parseJson } from './json.ts'

const parse = (text: string) => parseJson(Buffer.from(text))

describe('what is JSON', () => {
  test('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'), (text, indent) => {
        const value = JSON.parse(text)
        const spaced = JSON.stringify(value, null, indent)
        // Keys of prototypes and numbers that are too long are refused below.
        fc.pre(!/"(?:__proto__|constructor|prototype)"|\d{16}/.test(text))
        expect(parse(spaced)).toEqual(JSON.parse(spaced))
      }),
      { numRuns: 500 },
    )
  })

  test('is refused with everything that JSON.parse refuses, and only then', () => {
    // Texts near JSON: pieces of it in any order.
    const piece = fc.constantFrom(
      ...['{', '}', '[', ']', ',', ':', '"a"', '"b\\"', '"\\u0061"', '"', '\\', '1', '-', '0.5e3'],
      ...['true', 'null', ' ', '\n', '{"a":1}', '["x"]', 'é', '{"a":{"b":[]}}', '\u0001'],
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('')
        let expected: unknown
        try {
          expected = { value: JSON.parse(text) }
        } catch {
          expected = 'refused'
        }
        let actual: unknown
        try {
          actual = { value: parse(text) }
        } catch (error) {
          // Duplicate keys and numbers beyond a double are refused besides, as the tests below say.
          const isOurs = /Duplicate key|does not fit a double/.test(String(error))
          if (!isOurs) expect(error).toMatchObject({ code: 'invalid-json' })
          actual = isOurs ? expected : 'refused'
        }
        expect(actual).toEqual(expected)
      }),
      { numRuns: 3000 },
    )
  })

  test('may begin with a byte order mark', () => {
    expect(parse('\ufeff{"a":1}')).toEqual({ a: 1 })
  })
})

describe('what JSON.parse would take and change or drop is refused', () => {
  test.each([
    ['{"a":1,"a":2}', 'Duplicate key "a" at line 1, column 8'],
    ['{"a":1,\n "\\u0061":2}', 'Duplicate key "a" at line 2, column 2'],
    ['[{"b":{"c":0,"d":1,"c":2}}]', 'Duplicate key "c"'],
    ['{"a\\"":1,"a\\"":2}', 'Duplicate key "a\\""'],
    ['{"__proto__":{}}', 'The key "__proto__" is not allowed'],
    ['{"a":[{"constructor":1}]}', 'The key "constructor" is not allowed'],
    ['{"\\u005f_proto__":{}}', 'The key "__proto__" is not allowed'],
  ])('%s', (text, message) => {
    expect(() => parse(text)).toThrow(message.replace('\\"', '"'))
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'invalid-json' }))
  })

  test('but the same key in different objects is not, nor is a string that looks like a key', () => {
    const text = '[{"a":1},{"a":2},{"b":{"a":"a"},"a":["a","a","__proto__"]}]'
    expect(parse(text)).toEqual(JSON.parse(text))
  })

  test('every duplicate is found, wherever it stands', () => {
    const key = fc.string({ minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(fc.uniqueArray(key, { minLength: 1, maxLength: 8 }), fc.nat(), (keys, which) => {
        fc.pre(!keys.some((each) => ['__proto__', 'constructor', 'prototype'].includes(each)))
        const twice = [...keys, keys[which % keys.length]!]
        const members = twice.map((each, index) => `${JSON.stringify(each)}: [{"x": ${index}}]`)
        expect(() => parse(`{${members.join(', ')}}`)).toThrow('Duplicate key')
        expect(parse(`{${members.slice(0, -1).join(',')}}`)).toEqual(
          JSON.parse(`{${members.slice(0, -1).join(',')}}`),
        )
      }),
    )
  })

  test.each([
    ...['9007199254740993', '-9007199254740993', '9007199254740993.0', '9007199254740992.5'],
    ...['1e400', '-1e999', '12345678901234567890', '100000000000000000001'],
  ])('the number %s', (number) => {
    expect(() => parse(`{"a": [1, ${number}]}`)).toThrow(
      expect.objectContaining({ code: 'validation-failed' }),
    )
    expect(() => parse(`{"a": [1, ${number}]}`)).toThrow(
      `The number ${number} at line 1, column 11`,
    )
  })

  test.each([
    ['[1, NaN]', 'NaN at line 1, column 5'],
    ['{"a":\n-Infinity}', 'Infinity at line 2, column 2'],
    ['{"NaN": None}', 'None at line 1, column 9'],
  ])('what other languages write for no value, as %s', (text, place) => {
    expect(() => parse(text)).toThrow(
      `Expected a JSON document, got ${place}; write null where there is no value`,
    )
  })

  test('but numbers that keep their digits are not, nor is any that JSON.stringify writes', () => {
    for (const number of [
      ...['9007199254740991', '-9007199254740991', '1e300', '0.1', '-0', '1E5', '1e20'],
      ...['9007199254740992', '100000000000000000000', '1e+20', '100000000000000000000.00'],
    ])
      expect(parse(number)).toBe(Number(number))
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(parse(JSON.stringify([number]))).toEqual(JSON.parse(JSON.stringify([number])))
      }),
    )
  })
})

test('nesting is limited, and what is deeper costs next to nothing', () => {
  const nested = (depth: number) => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`
  expect(parse(nested(maximumDepth))).toEqual(JSON.parse(nested(maximumDepth)))
  expect(() => parse(nested(maximumDepth + 2))).toThrow('at most 64 levels of nesting')

  // JSON.parse alone would take seconds and gigabytes for this.
  const bytes = Buffer.alloc(64 * 1024 * 1024, '[')
  const before = performance.now()
  expect(() => parseJson(bytes)).toThrow('at most 64 levels')
  expect(performance.now() - before).toBeLessThan(1500)
})

test('a refusal says where, but does not repeat what was sent', () => {
  expect(() => parse('{"a": 1,\n "password": "hunter2",}')).toThrow(
    /^Expected a JSON document, got a syntax error at line 2, column 24$/,
  )
  expect(() => parse('{"password": "hunter2"')).not.toThrow(/hunter2/)
  expect(() => parse('')).toThrow('got an empty body')
  expect(() => parse(' \n')).toThrow('got an empty body')
  expect(() => parseJson(new Uint8Array([34, 0xff, 34]))).toThrow('not valid UTF-8')
})
