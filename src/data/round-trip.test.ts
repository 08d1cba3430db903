import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseCsv, writeCsv } from './csv.ts'
import { DataFrame } from './frame.ts'
import { canonicalFrameText, checkFrame, recordsText, withSchema } from './frame-json.ts'
import { frameToParquet, parquetToFrame } from './parquet.ts'
import type { Cell, FieldType, FrameJson } from './schema.ts'

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom(
    '',
    '007',
    'NA',
    '1e5',
    'true',
    '"',
    ',',
    '\r\n',
    '\n',
    '\r',
    ' ',
    '\ufeff',
    'null',
    '1.0',
  ),
)
const integer = fc.maxSafeInteger()
const double = fc.double({ noNaN: true, noDefaultInfinity: true })
const cellsOfType: Record<FieldType, fc.Arbitrary<Cell>> = {
  string: fc.option(text),
  integer: fc.option(integer),
  number: fc.option(double),
  boolean: fc.option(fc.boolean()),
  any: fc.oneof(fc.constant(null), text, integer, fc.boolean(), double),
}

const name = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('__proto__', 'a.b', '2020', 'rainfall', 'x,y', 'constructor'),
  },
)

function frames(types: readonly FieldType[]): fc.Arbitrary<FrameJson> {
  return fc
    .record({
      columns: fc.uniqueArray(fc.tuple(name, fc.constantFrom(...types)), {
        minLength: 1,
        maxLength: 5,
        selector: ([key]) => key,
      }),
      rows: fc.nat(6),
    })
    .chain(({ columns, rows }) =>
      fc
        .array(fc.tuple(...columns.map(([, type]) => cellsOfType[type])), {
          minLength: rows,
          maxLength: rows,
        })
        .map((data) => ({ columns: columns.map(([key]) => key), data })),
    )
}

const allTypes = ['string', 'integer', 'number', 'boolean', 'any'] as const
const plainTypes = ['string', 'integer', 'number', 'boolean'] as const

function typesOf(frame: FrameJson): Record<string, FieldType> {
  const fields = DataFrame.fromJson(frame).columns.map((key) => [
    key,
    DataFrame.fromJson(frame).column(key).type,
  ])
  return Object.fromEntries(fields)
}

test('a frame comes back from memory as it went in', () => {
  fc.assert(
    fc.property(frames(allTypes), (frame) => {
      expect(DataFrame.fromJson(frame).toJson()).toEqual(frame)
    }),
    { numRuns: 10_000 },
  )
})

test('records, columns and rows make the same frame', () => {
  fc.assert(
    fc.property(frames(allTypes), (frame) => {
      const made = DataFrame.fromJson(frame)
      fc.pre(made.length > 0)
      const again = DataFrame.fromRecords(made.toRecords()).select(frame.columns)
      expect(again.toJson()).toEqual(frame)
      expect(JSON.parse(recordsText(frame))).toEqual(JSON.parse(JSON.stringify(made.toRecords())))
    }),
    { numRuns: 3_000 },
  )
})

test('a frame comes back from CSV with its types', () => {
  fc.assert(
    fc.property(frames(plainTypes), (frame) => {
      const back = parseCsv(writeCsv(frame), { types: typesOf(frame) })
      expect(canonicalFrameText(back)).toBe(canonicalFrameText(frame))
    }),
    { numRuns: 10_000 },
  )
})

test('numbers, booleans and nulls come back from CSV without being told their types', () => {
  fc.assert(
    fc.property(frames(['integer', 'number', 'boolean']), (frame) => {
      expect(canonicalFrameText(parseCsv(writeCsv(frame)))).toBe(canonicalFrameText(frame))
    }),
    { numRuns: 10_000 },
  )
})

test('a frame of any columns comes back from Parquet', async () => {
  await fc.assert(
    fc.asyncProperty(frames(allTypes), async (frame) => {
      const back = await parquetToFrame(await frameToParquet(frame))
      expect(canonicalFrameText(back)).toBe(canonicalFrameText(frame))
    }),
    { numRuns: 3_000 },
  )
})

test('canonical text is read back by the check of the HTTP edge, schema and all', () => {
  const small = fc.double({ noNaN: true, min: -1e15, max: 1e15 })
  const cell = fc.oneof(fc.constant(null), text, integer, fc.boolean(), small)
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell)), (data) => {
      const frame = withSchema({ columns: ['a', 'b'], data })
      const canonical = canonicalFrameText(frame)
      const checked = checkFrame(JSON.parse(canonical), [])
      expect('frame' in checked && canonicalFrameText(checked.frame)).toBe(canonical)
    }),
    { numRuns: 10_000 },
  )
})
