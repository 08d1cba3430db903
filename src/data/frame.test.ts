import { inspect } from 'node:util'
import { expect, test, vi } from 'vitest'
import { ChapkitError } from '../errors.ts'
import { DataFrame } from './frame.ts'

const frame = DataFrame.fromColumns({
  location: ['a', 'b', 'a', null],
  cases: [1, null, 3, 4],
  rain: [0.5, 1, null, 2],
  wet: [true, false, null, true],
})

function errorOf(run: () => unknown): ChapkitError {
  try {
    run()
  } catch (error) {
    if (error instanceof ChapkitError) return error
    throw error
  }
  throw new Error('Expected an error')
}

test('columns lie in typed arrays with a mask of nulls', () => {
  expect(frame.column('cases')).toEqual({
    name: 'cases',
    type: 'integer',
    values: Float64Array.of(1, Number.NaN, 3, 4),
    nulls: Uint8Array.of(0, 1, 0, 0),
  })
  expect(frame.column('wet')).toMatchObject({ type: 'boolean', values: Uint8Array.of(1, 0, 0, 1) })
  expect(frame.column('location')).toMatchObject({ type: 'string', values: ['a', 'b', 'a', null] })
  expect(
    frame
      .select(['cases'])
      .filter((row) => row.cases !== null)
      .column('cases').nulls,
  ).toBeNull()
})

test('types follow from all values, and agreed columns keep their type', () => {
  const typed = DataFrame.fromRecords([
    { i: 1, n: 1, m: 1, e: null, s: 'x', b: true, location: 1, disease_cases: null, population: 5 },
    {
      i: 2,
      n: 1.5,
      m: 'x',
      e: null,
      s: null,
      b: null,
      location: 2,
      disease_cases: null,
      population: 6,
    },
  ])
  expect(typed.fields().map(({ type }) => type)).toEqual([
    'integer',
    'number',
    'any',
    'any',
    'string',
    'boolean',
    'string',
    'number',
    'integer',
  ])
  expect(DataFrame.fromColumns({ population: [1.5] }).fields()).toEqual([
    { name: 'population', type: 'number' },
  ])
  expect(DataFrame.fromColumns({ x: [2 ** 60] }).fields()).toEqual([{ name: 'x', type: 'number' }])
})

test('an unknown column is a bad request that names it and those that are there', () => {
  const error = errorOf(() => frame.select(['rainfall']))
  expect(error.code).toBe('bad-request')
  expect(error.message).toBe('No column `rainfall`; the columns are "location, cases, rain, wet"')
})

test('numbers reads null as NaN, true as 1, and refuses text', () => {
  expect(frame.numbers('cases')).toEqual(Float64Array.of(1, Number.NaN, 3, 4))
  expect(frame.numbers('wet')).toEqual(Float64Array.of(1, 0, Number.NaN, 1))
  expect(DataFrame.fromColumns({ x: [null] }).numbers('x')).toEqual(Float64Array.of(Number.NaN))
  expect(errorOf(() => frame.numbers('location')).message).toBe(
    'Expected numbers in column `location`, got "a" in row 0',
  )
})

test('numbers is a copy: writing to it leaves the frame as it was', () => {
  frame.numbers('cases')[0] = 99
  expect(frame.get(0, 'cases')).toBe(1)
})

test('strings reads numbers as text', () => {
  expect(frame.strings('cases')).toEqual(['1', null, '3', '4'])
})

test('get reads one cell and refuses a row that is not there', () => {
  expect(frame.get(1, 'rain')).toBe(1)
  expect(frame.get(3, 'location')).toBeNull()
  for (const row of [-1, 4, 0.5])
    expect(errorOf(() => frame.get(row, 'rain')).code).toBe('bad-request')
})

test('a bigint is a number when it fits, else text; anything else is refused by place', () => {
  expect(DataFrame.fromColumns({ x: [5n, 2n ** 60n] }).toRecords()).toEqual([
    { x: 5 },
    { x: '1152921504606846976' },
  ])
  const wrong = [{ x: new Date(0) }] as unknown as { x: null }[]
  expect(errorOf(() => DataFrame.fromRecords(wrong)).message).toContain('column `x`, row 0')
})

test('a record that lacks a key has a null there', () => {
  expect(DataFrame.fromRecords([{ a: 1 }, { b: 'x' }]).toRecords()).toEqual([
    { a: 1, b: null },
    { a: null, b: 'x' },
  ])
})

test('columns of different lengths and ragged rows are refused', () => {
  expect(errorOf(() => DataFrame.fromColumns({ a: [1], b: [1, 2] })).message).toContain('`b`')
  expect(errorOf(() => frame.withColumn('x', [1])).message).toBe(
    'Expected 4 values in column `x`, got 1',
  )
  expect(
    errorOf(() => DataFrame.fromJson({ columns: ['a'], data: [[1], [1, 2]] })).issues?.[0]?.loc,
  ).toEqual(['data', 1])
  expect(errorOf(() => frame.rename({ rain: 'cases' })).message).toContain('again')
})

test('operations return new frames and leave the old one alone', () => {
  const before = frame.toJson()
  frame.drop('rain').rename({ cases: 'n' }).withColumn('x', [1, 2, 3, 4]).sort('n').head(1)
  expect(frame.toJson()).toEqual(before)
})

test('select, drop and rename', () => {
  expect(frame.select(['wet', 'rain']).columns).toEqual(['wet', 'rain'])
  expect(frame.drop(['wet', 'rain']).columns).toEqual(['location', 'cases'])
  expect(frame.rename({ cases: 'n' }).columns).toEqual(['location', 'n', 'rain', 'wet'])
})

test('filter sees each row with its index', () => {
  expect(frame.filter((row, index) => row.location === 'a' && index > 0).toRecords()).toEqual([
    { location: 'a', cases: 3, rain: null, wet: null },
  ])
})

test('head, tail and slice are generous with the ends', () => {
  const cases = (part: DataFrame) => part.toRecords().map((row) => row.cases)
  expect(cases(frame.head(2))).toEqual([1, null])
  expect(cases(frame.tail(2))).toEqual([3, 4])
  expect(cases(frame.tail(0))).toEqual([])
  expect(cases(frame.head(99))).toHaveLength(4)
  expect(cases(frame.slice(-3, -1))).toEqual([null, 3])
})

test('concat fills what one of them lacks with nulls', () => {
  const future = DataFrame.fromColumns({ rain: [7], location: ['z'] })
  const both = frame.select(['location', 'cases']).concat(future)
  expect(both.tail(1).toRecords()).toEqual([{ location: 'z', cases: null, rain: 7 }])
  expect(both.length).toBe(5)
})

test('unique keeps the order of first appearance', () => {
  expect(frame.unique('location')).toEqual(['a', 'b', null])
})

test('derive and withColumn add a column or replace one', () => {
  const doubled = frame.derive('cases', (row) =>
    row.cases === null ? null : Number(row.cases) * 2,
  )
  expect(doubled.columns).toEqual(frame.columns)
  expect(doubled.strings('cases')).toEqual(['2', null, '6', '8'])
  expect(frame.derive('row', (_, index) => index).numbers('row')).toEqual(
    Float64Array.of(0, 1, 2, 3),
  )
})

test('a computed NaN is a value and no null, and has no JSON', () => {
  const wrong = frame.derive('ratio', (row) => (row.cases === 3 ? 0 / 0 : null))
  expect(wrong.firstNonFinite()).toEqual({ row: 2, column: 'ratio' })
  expect(wrong.get(2, 'ratio')).toBeNaN()
  expect(wrong.get(1, 'ratio')).toBeNull()
  const error = errorOf(() => wrong.toJson())
  expect(error.code).toBe('validation-failed')
  expect(error.issues).toEqual([
    {
      loc: ['data', 2, 4],
      msg: 'Expected a finite number in column `ratio`, row 2, got NaN',
      type: 'finite_number',
    },
  ])
  expect(() => wrong.toCsv()).toThrow(ChapkitError)
  expect(frame.firstNonFinite()).toBeNull()
  expect(DataFrame.fromColumns({ m: ['x', Infinity] }).firstNonFinite()).toEqual({
    row: 1,
    column: 'm',
  })
})

test('a Float64Array of NaN is taken as numbers, not as nulls', () => {
  const made = DataFrame.fromColumns({ x: Float64Array.of(1, Number.NaN) })
  expect(made.firstNonFinite()).toEqual({ row: 1, column: 'x' })
  expect(made.describe().get(0, 'nulls')).toBe(0)
})

test('NaN does not become a Parquet file, where it would be a missing value', async () => {
  await expect(DataFrame.fromColumns({ x: [1, Number.NaN] }).toParquet()).rejects.toMatchObject({
    code: 'validation-failed',
  })
})

test('a schema stays with its columns through operations', () => {
  const fields = [
    { name: 'a', type: 'integer' as const, title: 'A' },
    { name: 'b', type: 'string' as const },
  ]
  const made = DataFrame.fromJson({ columns: ['a', 'b'], data: [[1, 'x']], schema: { fields } })
  expect(made.toJson().schema).toEqual({ fields })
  expect(made.drop('b').rename({ a: 'c' }).schema).toEqual({
    fields: [{ ...fields[0], name: 'c' }],
  })
  expect(made.withColumn('a', [true]).schema).toEqual({ fields: [fields[1]] })
  expect(frame.schema).toBeUndefined()
})

test('describe has a row for each numeric column', () => {
  expect(frame.describe().toRecords()).toEqual([
    {
      column: 'cases',
      count: 3,
      nulls: 1,
      mean: 8 / 3,
      std: expect.closeTo(Math.sqrt(7 / 3), 12),
      min: 1,
      q25: 2,
      median: 3,
      q75: 3.5,
      max: 4,
    },
    {
      column: 'rain',
      count: 3,
      nulls: 1,
      mean: 3.5 / 3,
      std: expect.closeTo(0.7638, 4),
      min: 0.5,
      q25: 0.75,
      median: 1,
      q75: 1.5,
      max: 2,
    },
  ])
  expect(DataFrame.fromColumns({ a: ['x'] }).describe().length).toBe(0)
})

test('printing shows a table of the first rows', () => {
  expect(frame.toString(2)).toBe(
    [
      'location  cases  rain  wet',
      'a             1   0.5  true',
      'b                   1  false',
      '[4 rows × 4 columns]',
    ].join('\n'),
  )
  expect(inspect(frame)).toBe(frame.toString())
})

test('an Arrow table has the same cells', async () => {
  const table = await frame.toArrow()
  expect([table.numRows, table.numCols]).toEqual([4, 4])
  expect(Array.from({ length: 4 }, (_, row) => table.getChild('cases')?.get(row))).toEqual([
    1,
    null,
    3,
    4,
  ])
  expect(table.getChild('location')?.get(0)).toBe('a')
  expect(table.getChild('wet')?.get(1)).toBe(false)
  const mixed = await DataFrame.fromColumns({ m: [1, 'x', null] }).toArrow()
  expect(mixed.getChild('m')?.get(1)).toBe('"x"')
})

test('the columns of an Arrow table have the order and the names of the frame', async () => {
  const cells = (name: string) => [name, null]
  const names = ['b', '2024', '1', '__proto__', 'constructor', '']
  const made = DataFrame.fromJson({ columns: names, data: [names, names.map(() => null)] })
  const table = await made.toArrow<import('apache-arrow').Table>()
  expect(table.schema.fields.map(({ name }) => name)).toEqual(names)
  for (const [at, name] of names.entries()) expect([...table.getChildAt(at)!]).toEqual(cells(name))
  expect(table.numRows).toBe(2)
})

test('an Arrow table of no rows keeps its columns, and numbers that are none are refused', async () => {
  const empty = await DataFrame.fromJson({ columns: ['a', 'b'], data: [] }).toArrow()
  expect([empty.numRows, empty.numCols]).toEqual([0, 2])
  expect((await DataFrame.fromColumns({}).toArrow()).numCols).toBe(0)
  await expect(DataFrame.fromColumns({ a: [1, Number.NaN] }).toArrow()).rejects.toMatchObject({
    code: 'validation-failed',
  })
})

test('without apache-arrow the error says what to install', async () => {
  vi.doMock('apache-arrow', () => {
    throw new Error('not found')
  })
  await expect(frame.toArrow()).rejects.toThrow('npm install apache-arrow')
  vi.doUnmock('apache-arrow')
})

test('a column named __proto__ is a column like others', () => {
  const made = DataFrame.fromJson({ columns: ['__proto__'], data: [['x']] })
  expect(Object.entries(made.toRecords()[0] ?? {})).toEqual([['__proto__', 'x']])
})

test('columns with names like numbers keep their order when read', () => {
  expect(DataFrame.fromCsv('b,2020,1\nx,1,2\n').columns).toEqual(['b', '2020', '1'])
})

test('an empty frame has no rows and no columns', () => {
  const empty = DataFrame.fromJson({ columns: [], data: [] })
  expect(empty.toJson()).toEqual({ columns: [], data: [] })
  expect([empty.length, empty.describe().length, empty.fields().length]).toEqual([0, 0, 0])
})
