import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeText } from './text.ts'

const text = fc.string({ unit: 'grapheme' }).filter((each) => !/[\0\ufeff]/.test(each))

describe('text of a file that people write', () => {
  test('is the same in every encoding that editors write', () => {
    fc.assert(
      fc.property(text, (written) => {
        const marked = Buffer.from(`\ufeff${written}`, 'utf16le')
        expect(decodeText(Buffer.from(written))).toEqual({ text: written })
        expect(decodeText(Buffer.from(`\ufeff${written}`))).toEqual({ text: written })
        expect(decodeText(marked)).toEqual({ text: written })
        expect(decodeText(Buffer.from(marked).swap16())).toEqual({ text: written })
      }),
      { numRuns: 10_000 },
    )
  })

  test('in any other is refused, with the line', () => {
    expect(decodeText(Buffer.from('a\nb\ndonn\xe9es\n', 'latin1'))).toEqual({
      problem: 'is not UTF-8 (line 3); save it as UTF-8',
    })
  })

  test.each([
    ['UTF-16 without a mark', Buffer.from('a', 'utf16le')],
    ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0])],
    ['a binary file', Buffer.from([0x50, 0x4b, 3, 4, 0])],
  ])('is never %s', (_what, bytes) => {
    expect(decodeText(bytes)).toEqual({ problem: expect.stringContaining('zero bytes') })
  })

  test('that begins as UTF-16 and is not is refused', () => {
    expect(decodeText(Buffer.from([0xff, 0xfe, 0x61]))).toEqual({
      problem: 'begins as UTF-16, and is not; save it as UTF-8',
    })
  })
})
