import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cases } from '../../test/setup/campaign.ts'
import { agreedKind } from './agreed.ts'
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

// Twins for the eye, for a reader that trims, folds or normalizes, and for the first of a CSV's names.
const confusable = [
  'a',
  'A',
  ' a',
  'a ',
  '"a"',
  'a\n',
  '\u00e9',
  'e\u0301',
  '\ufeffa',
  'index',
  '0',
]
const name = fc.oneof(
  { weight: 4, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }) },
  { weight: 1, arbitrary: fc.constantFrom(...confusable) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '__proto__',
      'a.b',
      '2020',
      'rainfall',
      'population',
      'location',
      'x,y',
      '\r\n',
      'constructor',
    ),
  },
)

/** What a column of this name holds, whatever a frame has in it. */
function agreedType(key: string): FieldType | null {
  const kind = agreedKind(key)
  return kind === 'text' ? 'string' : kind
}

function frames(types: readonly FieldType[], leastColumns = 1): fc.Arbitrary<FrameJson> {
  return fc
    .record({
      columns: fc.uniqueArray(fc.tuple(name, fc.constantFrom(...types)), {
        minLength: leastColumns,
        maxLength: 5,
        selector: ([key]) => key,
      }),
      rows: fc.nat(6),
    })
    .chain(({ columns, rows }) =>
      fc
        .array(fc.tuple(...columns.map(([key, type]) => cellsOfType[agreedType(key) ?? type])), {
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
    fc.property(frames(allTypes, 0), (frame) => {
      expect(DataFrame.fromJson(frame).toJson()).toEqual(frame)
    }),
    { numRuns: cases(10_000) },
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
    { numRuns: cases(10_000) },
  )
})

test('a frame comes back from CSV with its types', () => {
  fc.assert(
    fc.property(frames(plainTypes), (frame) => {
      const back = parseCsv(writeCsv(frame), { types: typesOf(frame) })
      expect(canonicalFrameText(back)).toBe(canonicalFrameText(frame))
    }),
    { numRuns: cases(10_000) },
  )
})

test('numbers, booleans and nulls come back from CSV without being told their types', () => {
  fc.assert(
    fc.property(frames(['integer', 'number', 'boolean']), (frame) => {
      expect(canonicalFrameText(parseCsv(writeCsv(frame)))).toBe(canonicalFrameText(frame))
    }),
    { numRuns: cases(10_000) },
  )
})

test('a frame of any columns comes back from Parquet', async () => {
  await fc.assert(
    fc.asyncProperty(frames(allTypes), async (frame) => {
      const reading = frameToParquet(frame).then(parquetToFrame)
      // The only thing of a frame that is lost.
      const columns = frame.columns.map((key) => key.replace(/^\ufeff/, ''))
      if (new Set(columns).size < columns.length)
        await expect(reading).rejects.toMatchObject({ code: 'validation-failed' })
      else expect(canonicalFrameText(await reading)).toBe(canonicalFrameText({ ...frame, columns }))
    }),
    { numRuns: cases(10_000) },
  )
})

/** Text that a number or a date would not give back: codes, dates, what programs call infinite. */
const code = fc.oneof(
  fc.nat().map((digits) => `0${digits}`),
  fc.bigInt(2n ** 53n, 2n ** 80n).map(String),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString().split('T')[0]!),
  fc.constantFrom(
    '+1',
    '1_000',
    '1e5',
    'nan',
    'inf',
    'Infinity',
    '-',
    '.',
    '1.',
    '0x1f',
    ' 1',
    '1 ',
  ),
)

test('codes and dates come back from CSV as the text they are, numbers among them too', () => {
  const cell = fc.oneof(fc.constant(null), code, fc.nat().map(String))
  fc.assert(
    fc.property(code, fc.array(cell), fc.nat(20), (sure, cells, at) => {
      const data = cells.toSpliced(at, 0, sure).map((each, row) => [row, each])
      const frame = { columns: ['row', 'code'], data }
      expect(parseCsv(writeCsv(frame))).toEqual(frame)
    }),
    { numRuns: cases(10_000) },
  )
})

test('NaN and the infinities are refused by JSON, CSV and Parquet alike', async () => {
  const cell = fc.option(fc.oneof(fc.double(), fc.constantFrom(Number.NaN, -Infinity, Infinity, 1)))
  await fc.assert(
    fc.asyncProperty(fc.array(cell), fc.boolean(), async (cells, isPacked) => {
      // A float array knows no null.
      const packed = Float64Array.from(cells, (each) => each ?? Number.NaN)
      const frame = DataFrame.fromColumns({ a: isPacked ? packed : cells })
      const fits = (each: number | null) => each === null || Number.isFinite(each)
      const first = (isPacked ? [...packed] : cells).findIndex((each) => !fits(each))
      const refused = expect.objectContaining({ code: 'validation-failed' })
      for (const write of [
        async () => frame.toJson(),
        async () => frame.toCsv(),
        () => frame.toParquet(),
      ]) {
        if (first < 0) await expect(write()).resolves.toBeDefined()
        else await expect(write()).rejects.toEqual(refused)
      }
      expect(frame.firstNonFinite()).toEqual(first < 0 ? null : { row: first, column: 'a' })
    }),
    { numRuns: cases(10_000) },
  )
})

test('integers of any size and dates of other programs come back from Parquet exactly', async () => {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const int64 = fc.oneof(
    fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
    fc.maxSafeInteger().map(BigInt),
    fc.constantFrom(2n ** 53n, 2n ** 53n - 1n, -(2n ** 53n)),
  )
  const date = fc.date({ noInvalidDate: true })
  const row = fc.tuple(fc.option(int64), fc.option(date), fc.option(date))
  const optional = { repetition_type: 'OPTIONAL' } as const
  await fc.assert(
    fc.asyncProperty(fc.array(row), async (rows) => {
      const file = parquetWriteBuffer({
        columnData: ['id', 'day', 'time'].map((name, at) => ({
          name,
          data: rows.map((cells) => cells[at]!),
        })),
        schema: [
          { name: 'root', num_children: 3 },
          { name: 'id', type: 'INT64', ...optional },
          { name: 'day', type: 'INT32', converted_type: 'DATE', ...optional },
          { name: 'time', type: 'INT64', converted_type: 'TIMESTAMP_MILLIS', ...optional },
        ],
      })
      const isSafe = rows.every(([id]) => id === null || Number.isSafeInteger(Number(id)))
      const plain = rows.map(([id, day, time]): Cell[] => [
        id === null ? null : isSafe ? Number(id) : String(id),
        day === null ? null : day.toISOString().split('T')[0]!,
        time === null ? null : time.toISOString(),
      ])
      const back = await parquetToFrame(new Uint8Array(file))
      expect(back).toEqual({ columns: ['id', 'day', 'time'], data: plain })
      // And from memory, where a number of any size may stand beside one that fits.
      const ids = DataFrame.fromColumns({ id: rows.map(([id]) => id as never) })
      expect(ids.toRecords()).toEqual(
        rows.map(([id]) => ({
          id: id !== null && Number.isSafeInteger(Number(id)) ? Number(id) : id && String(id),
        })),
      )
    }),
    { numRuns: cases(10_000) },
  )
})

test('only columns that have a name, each its own, are read; all others are refused', () => {
  const anyName = fc.oneof(fc.constant(''), fc.constantFrom(...confusable), name)
  fc.assert(
    fc.property(fc.array(anyName, { minLength: 1, maxLength: 6 }), (columns) => {
      // Of a kind that each column may hold.
      const data = [
        columns.map((key, column) => (agreedType(key) === 'string' ? String(column) : column)),
      ]
      const isUnique = new Set(columns).size === columns.length
      const refused = expect.objectContaining({ code: 'validation-failed' })

      const checked = checkFrame({ columns, data }, [])
      expect('frame' in checked).toBe(isUnique && !columns.includes(''))
      if (isUnique) expect(DataFrame.fromJson({ columns, data }).columns).toEqual(columns)
      else expect(() => DataFrame.fromJson({ columns, data })).toThrow('each column once')

      const [first, ...others] = columns
      const named = [first === '' ? 'index' : first, ...others]
      const read = () => parseCsv(writeCsv({ columns, data }))
      if (new Set(named).size < named.length || others.includes('')) expect(read).toThrow(refused)
      else expect(read()).toEqual({ columns: named, data })
    }),
    { numRuns: cases(10_000) },
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
    { numRuns: cases(10_000) },
  )
})
