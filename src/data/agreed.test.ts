import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ChapkitError } from '../errors.ts'
import { parseJson } from '../kernel/json.ts'
import { isFileText } from '../kernel/text.ts'
import { agreeRows, isEmptyKey, numberOf } from './agreed.ts'
import { parseCsv } from './csv.ts'
import { plainDialect } from './csv-dialect.ts'
import { DataFrame } from './frame.ts'
import { checkFrame } from './frame-json.ts'
import { frameToParquet } from './parquet.ts'
import type { Cell, FrameJson } from './schema.ts'

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
    ['9007199254740992', 2 ** 53],
    ['+00100000000000000000000', 1e20],
    ['0.12345678901234567890', 0.12345678901234568],
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
    '9007199254740993.0',
    '100000000000000000001',
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
  // What no file has is refused when it is written.
  if (typeof cell === 'string' && !isFileText(cell)) return 'refused'
  const file = await frameToParquet({ columns: ['other'], data: [[cell]] })
  const frame = await DataFrame.fromParquet(file)
  return ifTaken(() => frame.rename({ other: column }))
}

/** The digits that a program may have written for a number. */
const doorsOfDigits: Record<string, (digits: string) => unknown> = {
  csv: (digits) => throughCsv('rainfall', digits),
  'csv with commas': (digits) =>
    ifTaken(() =>
      DataFrame.fromJson(
        parseCsv(`rainfall;k\n${digits.replace('.', ',')};1\n`, {
          dialect: { ...plainDialect, delimiter: ';', decimal: ',' },
        }),
      ),
    ),
  'json text': (digits) => doors.json!('rainfall', digits),
  'json number'(digits) {
    try {
      const frame = parseJson(Buffer.from(`{"columns":["rainfall"],"data":[[${digits}]]}`))
      return doors.json!('rainfall', (frame as FrameJson).data[0]![0]!)
    } catch (error) {
      if (error instanceof ChapkitError) return 'refused'
      throw error
    }
  },
  frame: (digits) => doors.frame!('rainfall', digits),
}

test('digits beyond 2^53 are a number where it keeps all of them, at every door', () => {
  const whole = fc.bigInt({ min: 0n, max: 10n ** 23n })
  const digits = fc.oneof(
    whole.map(String),
    fc.bigInt({ min: 2n ** 53n - 4n, max: 2n ** 53n + 4n }).map(String),
    // What JavaScript, and printf in the shortest form, write for large numbers.
    fc.integer({ min: 1, max: 999 }).map((lead) => `${lead}${'0'.repeat(18)}`),
    fc.tuple(whole, fc.nat(99)).map(([integer, rest]) => `${integer}.${rest}`),
    fc.tuple(fc.nat(9), fc.nat(308)).map(([lead, exponent]) => `${lead}e${exponent}`),
  )
  fc.assert(
    fc.property(digits, (text) => {
      const found = Object.values(doorsOfDigits).map((door) => door(text))
      expect(new Set(found).size).toBe(1)
      const number = found[0]
      if (number === 'refused') expect(Number(text)).toBeGreaterThan(Number.MAX_SAFE_INTEGER)
      else expect(number).toBe(Number(text))
      if (/^\d+$/.test(text) && number !== 'refused' && Number(number) > 2 ** 53)
        expect(BigInt(text)).toBe(
          BigInt(Number(number).toLocaleString('en', { useGrouping: false })),
        )
    }),
    { numRuns: 1000 },
  )
})

describe('an agreed column', () => {
  const cells = fc.oneof(
    fc.constantFrom<Cell>(null, '', 'NA', '007', ' 7', '3e5', 'nan', '<5', '71,5', true, false),
    fc.maxSafeInteger(),
    // Minus zero is 0 in every stored form.
    fc
      .double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 })
      .map((number) => number + 0),
    fc.constantFrom<Cell>(1e20, 2 ** 53, '1e20', '9007199254740993', '9007199254740992'),
    fc.string({ maxLength: 4 }),
    fc.constantFrom<Cell>('\ud83d', 'x\udc00', '😀', 'x\0'),
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
