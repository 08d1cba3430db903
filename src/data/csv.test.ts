import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { ChapkitError } from '../errors.ts'
import { csvFacts, parseCsv, writeCsv } from './csv.ts'
import { DataFrame } from './frame.ts'

const column = (cells: string[], name = 'x') =>
  parseCsv(`id,${name}\n${cells.map((cell) => `k,${cell}\n`).join('')}`).data.map((row) => row[1])

function refusal(text: string, options = {}): { issue: unknown; message: string } {
  try {
    parseCsv(text, options)
  } catch (error) {
    if (error instanceof ChapkitError && error.code === 'validation-failed') {
      return { issue: error.issues?.[0], message: error.message }
    }
    throw error
  }
  throw new Error('Expected a refusal')
}

test('numbers as Python, R and JavaScript print them are numbers', () => {
  expect(
    column(['267.0', '25.8260793685913', '-3.50', '0', '1e-05', '2.5e+20', '.5', '1.0E10']),
  ).toEqual([267, 25.8260793685913, -3.5, 0, 0.00001, 2.5e20, 0.5, 1e10])
})

test.each([
  '007',
  '+1',
  '1_000',
  '1e5',
  'nan',
  'inf',
  '0x10',
  '9007199254740993',
  '1e+400',
  ' 1',
  '5.',
  '-',
])('a column with %j stays text as a whole', (code) => {
  expect(column(['1', code, '2.50'])).toEqual(['1', code, '2.50'])
})

test('a code at the end of a long column keeps the whole column text', () => {
  const cells = [...Array.from({ length: 1000 }, (_, row) => String(row)), '007']
  expect(column(cells)).toEqual(cells)
})

test('location and time_period are text, whatever they look like and whatever types say', () => {
  const text = 'time_period,location\n2020,11001\n2021,11002\n'
  expect(parseCsv(text, { types: { location: 'integer' } }).data).toEqual([
    ['2020', '11001'],
    ['2021', '11002'],
  ])
})

test('true and false in any case are booleans, yes and no are text', () => {
  expect(column(['True', 'false', 'TRUE', ''])).toEqual([true, false, true, null])
  expect(column(['yes', 'no'])).toEqual(['yes', 'no'])
  expect(column(['true', 'maybe'])).toEqual(['true', 'maybe'])
})

test('NA is null between numbers and booleans and text among texts', () => {
  expect(column(['1', 'NA', '2'])).toEqual([1, null, 2])
  expect(column(['TRUE', 'NA'])).toEqual([true, null])
  expect(column(['NA', 'KE'])).toEqual(['NA', 'KE'])
  expect(column(['NA', 'NA'], 'country')).toEqual(['NA', 'NA'])
  expect(column(['NA', 'NA'], 'disease_cases')).toEqual([null, null])
})

test('nothing is null and an empty pair of quotes is an empty string', () => {
  expect(column(['a', '', '""'])).toEqual(['a', null, ''])
  expect(column(['1', '', '""'])).toEqual([1, null, null])
  expect(writeCsv({ columns: ['a', 'b'], data: [[null, '']] })).toBe('a,b\r\n,""\r\n')
})

test('byte order mark, CRLF, quoted newlines and a missing last line end are read', () => {
  expect(parseCsv('\ufeffa,b\r\n"x\r\ny","say ""hi"""\r\n1,2')).toEqual({
    columns: ['a', 'b'],
    data: [
      ['x\r\ny', 'say "hi"'],
      ['1', '2'],
    ],
  })
})

test('an empty first header cell becomes index, blank lines are skipped', () => {
  expect(parseCsv(',a\n\n0,5\n\n')).toEqual({ columns: ['index', 'a'], data: [[0, 5]] })
})

test('in a file of one column a blank line is a null', () => {
  expect(parseCsv('a\n1\n\n2\n').data).toEqual([[1], [null], [2]])
})

test('a header alone is a frame without rows', () => {
  expect(parseCsv('a,b')).toEqual({ columns: ['a', 'b'], data: [] })
})

test.each([
  [
    'a,b\n1,2\n3\n',
    { loc: ['body', 3], type: 'ragged_row', msg: 'Expected 2 cells as in the header, got 1' },
  ],
  [
    'a,b\n"x\ny",2\n3,4,5\n',
    { loc: ['body', 4], type: 'ragged_row', msg: 'Expected 2 cells as in the header, got 3' },
  ],
  [
    'a,b\n1,2,\n',
    { loc: ['body', 2], type: 'ragged_row', msg: 'Expected 2 cells as in the header, got 3' },
  ],
  [
    'a,a\n1,2\n',
    {
      loc: ['body', 1],
      type: 'duplicate_column',
      msg: 'Expected each column once in the header, got "a" again',
    },
  ],
  [
    'a,,b\n',
    {
      loc: ['body', 1],
      type: 'empty_column',
      msg: 'Expected a name for column 2 in the header, got nothing',
    },
  ],
  [
    'a\n1\n"x',
    {
      loc: ['body', 3],
      type: 'unterminated_quote',
      msg: expect.stringContaining('Expected a closing quote'),
    },
  ],
  [
    'a,b\n"x"y,2\n',
    {
      loc: ['body', 2],
      type: 'stray_quote',
      msg: expect.stringContaining('after the closing quote'),
    },
  ],
  ['', { loc: ['body', 1], type: 'missing', msg: 'Expected a header line, got nothing' }],
])('%j is refused with its line', (text, issue) => {
  expect(refusal(text).issue).toEqual(issue)
})

test('a cell that does not fit the type asked for is refused with its line', () => {
  expect(refusal('a,b\n1,x\n2,y\nz,w\n', { types: { a: 'integer' } }).issue).toEqual({
    loc: ['body', 4],
    msg: 'Expected a number in column `a`, got "z"',
    type: 'cell_type',
  })
  expect(refusal('a\nmaybe\n', { types: { a: 'boolean' } }).message).toContain('`true` or `false`')
})

test('types keep text that looks like something else', () => {
  expect(parseCsv('code\n1\nNA\n', { types: { code: 'string' } }).data).toEqual([['1'], ['NA']])
})

test('writing quotes only what needs it and prints booleans as Python does', () => {
  const frame = {
    columns: ['a', 'b'],
    data: [
      ['x,y', true],
      ['"', false],
      [0.1, 1e21],
      [1e17, -0],
    ],
  }
  expect(writeCsv(frame)).toBe('a,b\r\n"x,y",True\r\n"""",False\r\n0.1,1e+21\r\n1e+17,0\r\n')
})

test('csvFacts states the size in bytes and the CRC-32 of the text', () => {
  const frame = { columns: ['å'], data: [['é']] }
  expect(csvFacts(frame)).toEqual({ size: 6, crc32: crc32('å\né\n') })
})

test('bytes that are not UTF-8 are refused', () => {
  expect(() => DataFrame.fromCsv(new Uint8Array([97, 10, 0xff]))).toThrow('UTF-8')
})
