import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cases } from '../../test/setup/campaign.ts'
import { readJsonInSlices } from './json-slices.ts'

const anyJson = fc.oneof(
  fc.jsonValue({ stringUnit: 'grapheme', maxDepth: 5 }),
  fc.jsonValue({
    stringUnit: fc.constantFrom('"', '\\', '[', '{', ',', '}', ']', 'ä'),
    maxDepth: 3,
  }),
)

test('JSON read in slices is what it is read at once, however small the slices', async () => {
  await fc.assert(
    fc.asyncProperty(anyJson, fc.integer({ min: 1, max: 60 }), async (value, sliceBytes) => {
      const text = JSON.stringify(value)
      const bytes = new TextEncoder().encode(text)
      expect(JSON.stringify(await readJsonInSlices(bytes, sliceBytes))).toBe(text)
    }),
    { numRuns: cases(10_000) },
  )
})

test('others have a turn while a large map of one polygon is read', async () => {
  const ring = Array.from({ length: 100_000 }, (_, at) => [at / 1000, at / 500])
  const geometry = { type: 'Polygon', coordinates: [ring] }
  const map = {
    type: 'FeatureCollection',
    features: [{ type: 'Feature', id: 'a', geometry, properties: {} }],
  }
  const bytes = Buffer.from(JSON.stringify(map))
  let turns = 0
  let isOver = false
  const count = () => {
    turns++
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  try {
    expect(await readJsonInSlices(bytes)).toEqual(map)
  } finally {
    isOver = true
  }
  expect(turns).toBeGreaterThanOrEqual(Math.floor(bytes.length / (256 * 1024)) - 1)
})
