import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalFrameText } from '../data/frame-json.ts'
import type { Cell, FrameJson } from '../data/schema.ts'
import { readInSlices } from './frame-slices.ts'

const bytesOf = (frame: FrameJson) => new TextEncoder().encode(canonicalFrameText(frame))

/** What stands in canonical text around rows, and must not be taken for their ends. */
const text = fc
  .oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom('],[', '"', '\\', '\\"]', ']]', '"data":[', '},{', ',', '[', 'é😀', '\u2028'),
  )
  .map((drawn) => drawn.replaceAll('\0', ''))
const cell: fc.Arbitrary<Cell> = fc.oneof(
  text,
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
  fc.constantFrom<Cell>(null, true, false, ''),
)
const names = fc.uniqueArray(
  text.filter((name) => name !== ''),
  { minLength: 1, maxLength: 4 },
)
const frames: fc.Arbitrary<FrameJson> = names.chain((columns) =>
  fc
    .tuple(
      fc.array(fc.array(cell, { minLength: columns.length, maxLength: columns.length })),
      fc.boolean(),
    )
    .map(([data, isDescribed]) => ({
      columns,
      data,
      ...(isDescribed && {
        schema: { fields: columns.map((name) => ({ name, type: 'any' as const, title: name })) },
      }),
    })),
)

test('a frame in slices of any size is the frame', async () => {
  await fc.assert(
    fc.asyncProperty(frames, fc.integer({ min: 0, max: 60 }), async (frame, size) => {
      expect((await readInSlices(bytesOf(frame), size)).toJson()).toEqual(frame)
    }),
    { numRuns: 1000 },
  )
})

test('others have a turn while a large frame is read', async () => {
  const data = Array.from({ length: 20_000 }, (_, row): Cell[] => [`place ${row}`, row, null])
  let turns = 0
  let isReading = true
  const count = () => {
    turns++
    if (isReading) setImmediate(count)
  }
  setImmediate(count)
  const bytes = bytesOf({ columns: ['a', 'b', 'c'], data })
  const frame = await readInSlices(bytes, 10_000)
  isReading = false
  expect(frame.length).toBe(20_000)
  expect(turns).toBeGreaterThan(bytes.byteLength / 10_000)
})
