import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCapture } from './capture.ts'

const kilobyte = 1024

test('an output is kept whole up to 256 KiB, in whatever pieces it comes', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 40 * kilobyte }), { maxLength: 6 }), (sizes) => {
      const capture = createCapture()
      let whole = ''
      for (const [at, size] of sizes.entries()) {
        const piece = String.fromCharCode(97 + at).repeat(size)
        whole += piece
        capture.add(Buffer.from(piece))
      }
      expect(capture.text()).toBe(whole)
    }),
    { numRuns: 200 },
  )
})

test('of a longer one the begin and the end are kept, and how much is missing', () => {
  const capture = createCapture()
  for (let line = 0; line < 100_000; line++) capture.add(Buffer.from(`line ${line}\n`))
  const text = capture.text()
  expect(text).toMatch(/^line 0\nline 1\n/)
  expect(text).toMatch(/line 99999\n$/)
  const [, left] = /\n… (\d+) bytes left out …\n/.exec(text) ?? []
  expect(Number(left)).toBe(1_088_890 - 256 * kilobyte)
  expect(text.length).toBeLessThan(257 * kilobyte)
})

test('a single large piece is cut as well', () => {
  const capture = createCapture()
  capture.add(Buffer.alloc(1_000_000, 'x'))
  expect(capture.text()).toContain(`… ${1_000_000 - 256 * kilobyte} bytes left out …`)
})

test('bytes that are no UTF-8 do no harm', () => {
  const capture = createCapture()
  capture.add(Buffer.from([0x61, 0xff, 0x62]))
  expect(capture.text()).toBe('a\ufffdb')
})
