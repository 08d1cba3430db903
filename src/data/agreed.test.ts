import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ChapkitError } from '../errors.ts'
import { agreeRows, isEmptyKey, numberOf } from './agreed.ts'
import { parseCsv } from './csv.ts'
import { DataFrame } from './frame.ts'
import { checkFrame } from './frame-json.ts'
import { frameToParquet } from './parquet.ts'
import type { Cell } from './schema.ts'

describe('a number where one is expected', () => {
  test.each<[string, number]>([
    ['267', 267],
    ['3e5', 300_000],
    ['3E+5', 300_000],
    ['1e-05', 0.00001],
    ['+1', 1],
    ['-0.5', -0.5],
    ['.5', 0.5],
    ['5.', 5],
    ['007', 7],
    [' 12\t', 12],
    ['1e20', 1e20],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%j is %d', (text, number) => {
    expect(numberOf(text)).toBe(number)
  })

  test.each([
    '',
    ' ',
    'nan',
    'NaN',
    'inf',
    '-Infinity',
    '<5',
    '5*',
    '71,5',
    '1,234',
    '1.234.567',
    '1 234',
    '0x10',
    '1_000',
    '1e999',
    '9007199254740993',
    '٣',
    '5 %',
    'true',
    '--1',
    '1e',
    '.',
  ])('%j is none', (text) => {
    expect(numberOf(text)).toBeNull()
  })

  test('with a decimal comma is read when commas were agreed, and points are then refused', () => {
    expect(numberOf('71,5', ',')).toBe(71.5)
    expect(numberOf('-,5e3', ',')).toBe(-500)
    expect(numberOf('1.234', ',')).toBeNull()
    expect(numberOf('1.234,5', ',')).toBeNull()
  })
})

/** A cell as each door gives it to a model, or `refused`. */
const doors: Record<string, (column: string, cell: Cell) => unknown> = {
  json(column, cell) {
    const checked = checkFrame({ columns: [column], data: [[cell]] }, [])
    if ('issues' in checked) return 'refused'
    const { frame } = checked
    return agreeRows(frame, []).length > 0 ? 'refused' : frame.data[0]![0]
  },
  frame: (column, cell) => ifTaken(() => DataFrame.fromColumns({ [column]: [cell] })),
  records: (column, cell) => ifTaken(() => DataFrame.fromRecords([{ [column]: cell }])),
  renamed: (column, cell) =>
    ifTaken(() => DataFrame.fromColumns({ other: [cell] }).rename({ other: column })),
}

function ifTaken(make: () => DataFrame): unknown {
  try {
    const frame = make()
    return frame.get(0, frame.columns[0]!)
  } catch (error) {
    if (error instanceof ChapkitError) return 'refused'
    throw error
  }
}

const csvText = (cell: Cell): string =>
  cell === null ? '' : `"${String(cell).replaceAll('"', '""')}"`
const throughCsv = (column: string, cell: Cell) =>
  ifTaken(() => DataFrame.fromCsv(`k,${column}\n1,${csvText(cell)}\n`).drop('k'))
async function throughParquet(column: string, cell: Cell) {
  const file = await frameToParquet({ columns: ['other'], data: [[cell]] })
  const frame = await DataFrame.fromParquet(file)
  return ifTaken(() => frame.rename({ other: column }))
}

describe('an agreed column', () => {
  const cells = fc.oneof(
    fc.constantFrom<Cell>(null, '', 'NA', '007', ' 7', '3e5', 'nan', '<5', '71,5', true, false),
    fc.maxSafeInteger(),
    // Minus zero is 0 in every stored form.
    fc
      .double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 })
      .map((number) => number + 0),
    fc.string({ maxLength: 4 }),
  )

  test('holds the same at every door that takes a cell', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('location', 'time_period', 'disease_cases', 'population'),
        cells,
        async (column, cell) => {
          const isText = column === 'location' || column === 'time_period'
          // Without a location a request is refused, though a frame may have such rows.
          fc.pre(!isText || !isEmptyKey(cell))
          const taken = Object.values(doors).map((door) => door(column, cell))
          expect(new Set(taken).size).toBe(1)
          expect(await throughParquet(column, cell)).toEqual(taken[0])
          // CSV has no types: what is no text there is its text, and an empty text is `""`.
          const asText =
            typeof cell === 'boolean' || (typeof cell === 'number' && !Number.isSafeInteger(cell))
          if (!isText || !asText) expect(throughCsv(column, cell)).toEqual(taken[0])
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('of text has codes that are numbers as their digits', () => {
    const frame = DataFrame.fromJson({ columns: ['time_period', 'location'], data: [[202401, 7]] })
    expect(frame.toRecords()).toEqual([{ time_period: '202401', location: '7' }])
    expect(frame.fields().map(({ type }) => type)).toEqual(['string', 'string'])
  })

  test.each<[string, Cell, string]>([
    ['location', 7.5, 'Expected text in column `location`, row 0, got 7.5'],
    ['location', true, 'Expected text in column `location`, row 0, got true'],
    [
      'disease_cases',
      '<5',
      'Expected a number in column `disease_cases`, row 0, got "<5": a range is no number; write the count, or leave the cell empty',
    ],
    [
      'population',
      'nan',
      'Expected a number in column `population`, row 0, got "nan": leave the cell empty, or write NA, where there is no value',
    ],
    [
      'rainfall',
      '71,5',
      'Expected a number in column `rainfall`, row 0, got "71,5": write decimals with a point',
    ],
    [
      'population',
      '1,234,567',
      'Expected a number in column `population`, row 0, got "1,234,567": write thousands without separators',
    ],
    ['disease_cases', false, 'Expected a number in column `disease_cases`, row 0, got false'],
  ])('%s refuses %j and says what came', (column, cell, message) => {
    expect(() => DataFrame.fromColumns({ [column]: [cell] })).toThrow(message)
  })

  test('tells up to 20 wrong cells at once, each with its place', () => {
    const frame = { columns: ['a', 'rainfall'], data: Array.from({ length: 30 }, () => ['x', 'y']) }
    const issues = agreeRows(frame, ['body', 'data'])
    expect(issues).toHaveLength(20)
    expect(issues[2]?.loc).toEqual(['body', 'data', 'data', 2, 1])
  })

  test('refuses rows without location or period', () => {
    const frame = { columns: ['location'], data: [['a'], [null], [' ']] as Cell[][] }
    expect(agreeRows(frame, []).map(({ msg }) => msg)).toEqual([
      'Expected a location in column `location`, row 1, got nothing',
      'Expected a location in column `location`, row 2, got " "',
    ])
  })

  test('that a model requires is read as numbers, too', () => {
    expect(parseCsv('humidity\n3e5\nNA\n', { numeric: new Set(['humidity']) }).data).toEqual([
      [300_000],
      [null],
    ])
    expect(parseCsv('humidity\n3e5\n').data).toEqual([['3e5']])
  })
})
