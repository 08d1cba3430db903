import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pathFromBytes, pathToBytes, showPath } from './path.ts'

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  // Pieces of UTF-8, whole and broken, and surrogates in it.
  fc
    .array(
      fc.constantFrom('c3a9', 'c3', 'a9', 'f09f9880', 'f09f', 'edb3a9', 'efbfbd', 'efbbbf', '2f'),
    )
    .map((pieces) => Buffer.from(pieces.join(''), 'hex')),
)

test('every path has a text of its own, from which its bytes can be told', () => {
  fc.assert(
    fc.property(bytes, (path) => {
      const text = pathFromBytes(path)
      expect(pathToBytes(text).equals(path)).toBe(true)
      expect(pathFromBytes(pathToBytes(JSON.parse(JSON.stringify(text))))).toBe(text)
    }),
    { numRuns: 10_000 },
  )
})

test('a path of UTF-8 is its text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(pathFromBytes(Buffer.from(text))).toBe(text)
    }),
  )
})

test('a path in a message is on one line and has no character that a terminal obeys', () => {
  expect(showPath('mod\udce9le "a"\\\n\x1b[1m\u202e.rds')).toBe(
    '"mod\\xE9le \\"a\\"\\\\\\x0A\\x1B[1m\\u{202e}.rds"',
  )
  fc.assert(
    fc.property(bytes, (path) => {
      expect(showPath(pathFromBytes(path))).toMatch(/^"[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*"$/u)
    }),
    { numRuns: 2000 },
  )
})
