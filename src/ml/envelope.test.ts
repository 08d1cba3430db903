import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ChapkitError } from '../errors.ts'
import { decodeModel, encodeModel } from './envelope.ts'

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const roundTrip = (value: unknown) => decodeModel(encodeModel(value))

function errorOf(run: () => unknown): ChapkitError {
  try {
    run()
  } catch (error) {
    if (error instanceof ChapkitError) return error
    throw error
  }
  throw new Error('Expected a ChapkitError, nothing was thrown')
}

describe('a model that is a value', () => {
  test('is a JSON document while it has no typed arrays', () => {
    const document: unknown = JSON.parse(text(encodeModel({ mean: 3.5, names: ['a', null, true] })))
    expect(document).toMatchObject({
      chapkit_model: 1,
      value: { mean: 3.5, names: ['a', null, true] },
    })
  })

  test('comes back with everything that JSON has no word for', () => {
    const model = {
      numbers: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0],
      big: 12345678901234567890n,
      when: new Date('2024-02-29T12:00:00.123Z'),
      never: new Date(Number.NaN),
      byPlace: new Map<unknown, unknown>([
        ['oslo', { weights: new Float64Array([1, Number.NaN, -0]) }],
        [{ key: 1 }, new Set([new Set([1n])])],
      ]),
      missing: undefined,
      holes: [1, undefined, 3],
      buffer: new Uint8Array([1, 2, 3]).buffer,
      empty: new Int16Array(),
      price: { $: ['date', 0], other: 1 },
      lone: '\ud800 \u2028 \0',
    }
    expect(roundTrip(model)).toStrictEqual(model)
    expect(Object.keys(roundTrip(model) as object)).toEqual(Object.keys(model))
  })

  test('keeps typed arrays compact, also a small view of a large buffer', () => {
    const weights = new Float64Array(100_000).map((_, index) => Math.sqrt(index))
    expect(encodeModel({ weights }).byteLength).toBeLessThan(weights.byteLength + 200)

    const view = weights.subarray(10, 12)
    expect(encodeModel(view).byteLength).toBeLessThan(200)
    const back = roundTrip(view) as Float64Array
    expect(back).toEqual(view)
    expect(back.buffer.byteLength).toBe(16)
  })

  test('reads a Node buffer back as a plain Uint8Array', () => {
    const back = roundTrip(Buffer.from('abc'))
    expect(Object.getPrototypeOf(back)).toBe(Uint8Array.prototype)
    expect(back).toEqual(new Uint8Array([97, 98, 99]))
  })

  test('stores twice what is reached twice', () => {
    const shared = { a: 1 }
    const back = roundTrip([shared, shared]) as object[]
    expect(back).toEqual([shared, shared])
    expect(back[0]).not.toBe(back[1])
  })

  test('is not changed by being stored', () => {
    const model = Object.freeze({ list: Object.freeze([Number.NaN, new Date(0)]) })
    encodeModel(model)
    expect(model).toStrictEqual({ list: [Number.NaN, new Date(0)] })
  })

  test('survives 10 000 random shapes', () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withNullPrototype: true,
      key: fc.oneof(fc.string(), fc.constantFrom('$', '__proto__', 'constructor', 'toJSON')),
    })
    fc.assert(
      fc.property(anything, (value) => {
        if (!isDeepStrictEqual(roundTrip(value), value)) throw new Error('It came back changed')
      }),
      { numRuns: 10_000 },
    )
  })
})

describe('what cannot be stored is named by its path', () => {
  class Tree {}
  test.each<[string, unknown, string]>([
    [
      'a function',
      { trees: [0, 1, 2, { predict: () => 1 }] },
      'model.trees[3].predict: a function',
    ],
    ['a class instance', { a: { 'b c': new Tree() } }, 'model.a["b c"]: a Tree'],
    ['a promise', Promise.resolve(1), 'model: a promise'],
    ['a symbol', [Symbol('x')], 'model[0]: a symbol'],
    ['a symbol as key', { [Symbol('x')]: 1 }, 'model: a key that is a symbol (Symbol(x))'],
    ['inside a map', new Map([['k', /x/]]), 'model.get("k"): a RegExp'],
    ['inside a set', new Set([new Error('x')]), 'model.values()[0]: an Error'],
    ['a weak map', { w: new WeakMap() }, 'model.w: a WeakMap'],
    ['a subclass', new (class Sizes extends Map {})(), 'model: a Sizes'],
    ['shared memory', new Uint8Array(new SharedArrayBuffer(8)), 'model: an Uint8Array'],
  ])('%s', (_, value, start) => {
    const error = errorOf(() => encodeModel(value))
    expect(error.code).toBe('validation-failed')
    expect(error.message.startsWith(start)).toBe(true)
    expect(error.message).toContain('return plain data or give the runner save/load')
  })

  test('a cycle', () => {
    const model: Record<string, unknown> = { a: { b: [] } }
    ;(model.a as { b: unknown[] }).b.push(model)
    expect(errorOf(() => encodeModel(model)).message).toContain('model.a.b[0]: refers back')
  })

  test('endless depth', () => {
    let model: unknown = 1
    for (let depth = 0; depth < 100_000; depth++) model = new Map([['deeper', model]])
    expect(errorOf(() => encodeModel(model)).message).toContain('nested deeper than 500')
  })

  test('the deepest allowed model comes back', () => {
    let model: unknown = 1
    for (let depth = 0; depth < 250; depth++) model = new Map([['deeper', { $: model }]])
    expect(encodeModel(roundTrip(model))).toEqual(encodeModel(model))
    expect(() => encodeModel([model])).toThrow('nested deeper')
  })
})

describe('reading', () => {
  test('does not pollute prototypes', () => {
    const hostile: unknown = JSON.parse(
      '{"__proto__":{"polluted":1},"a":{"__proto__":[null]},"$":1}',
    )
    const back = roundTrip(hostile) as Record<string, unknown>
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
    expect(Object.hasOwn(back, '__proto__')).toBe(true)
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })

  const model = { mean: 1.5, weights: new Float32Array([1, 2, 3]), tags: new Set(['a']) }

  test('any changed, missing or added byte is a damaged file', () => {
    const bytes = encodeModel(model)
    const size = bytes.byteLength
    fc.assert(
      fc.property(fc.nat(size - 1), fc.integer({ min: 1, max: 255 }), (position, change) => {
        const changed = Uint8Array.from(bytes)
        changed[position] = changed[position]! ^ change
        expect(errorOf(() => decodeModel(changed)).code).toBe('conflict')
      }),
      { numRuns: 2000 },
    )
    for (const cut of [0, 1, 20, size - 13, size - 1]) {
      const error = errorOf(() => decodeModel(bytes.subarray(0, cut)))
      expect(error).toMatchObject({ code: 'conflict' })
      expect(error.message).toContain('model file is damaged')
    }
    expect(() => decodeModel(Buffer.concat([bytes, Buffer.of(0)]))).toThrow('model file is damaged')
  })

  test('a file of a newer version says so', () => {
    const newer = new TextEncoder().encode('{"chapkit_model":2,"crc32":"00000000","value":1}')
    expect(errorOf(() => decodeModel(newer)).message).toContain('version 2')
  })

  test('works from the middle of a larger buffer', () => {
    const bytes = encodeModel(model)
    const larger = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('after')])
    expect(decodeModel(larger.subarray(6, 6 + bytes.byteLength))).toStrictEqual(model)
  })
})
