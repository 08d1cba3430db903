import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printable, printableJson } from './printable.ts'

/** What a terminal obeys instead of showing it. */
const obeyed =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/
const unit = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 5 }),
  fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
  fc.constantFrom('\u001b[2J', '\u009b31m', '\u0007', '\u202e', '\u2066', '\n', '\t', '\r\n', '\r'),
)
const text = fc.array(unit, { maxLength: 12 }).map((parts) => parts.join(''))

test('printable text has nothing that a terminal obeys, and says what was there', () => {
  expect(printable('a\u001b[2Jb\u009bc\u202ed\r\ne\tf\rg')).toBe(
    'a\\x1b[2Jb\\x9bc\\u202ed\ne\tf\\x0dg',
  )
  fc.assert(
    fc.property(text, (given) => {
      const shown = printable(given)
      expect(shown).not.toMatch(obeyed)
      expect(shown.isWellFormed()).toBe(true)
      expect(printable(shown)).toBe(shown)
    }),
    { numRuns: 10_000 },
  )
})

test('text in any language stays as it is', () => {
  for (const plain of ['Grüße', 'ສະບາຍດີ', 'दिल्ली', '東京', '👩🏽‍🔬', 'a\n\tb'])
    expect(printable(plain)).toBe(plain)
})

test('printable JSON has nothing that a terminal obeys, and the same value', () => {
  fc.assert(
    fc.property(fc.dictionary(text, text), (value) => {
      const json = printableJson(JSON.stringify(value, null, 2))
      expect(json).not.toMatch(obeyed)
      expect(JSON.parse(json)).toEqual(value)
    }),
    { numRuns: 10_000 },
  )
})
