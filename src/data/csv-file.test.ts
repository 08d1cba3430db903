import { describe, expect, test } from 'vitest'
import { ChapkitError } from '../errors.ts'
import { type DialectOptions, type DialectWords, readDialect } from './csv-dialect.ts'
import { parseCsvFile } from './csv-file.ts'
import type { PeriodType } from './date-format.ts'

const words: DialectWords = {
  delimiter: (name) => `--delimiter ${name}`,
  decimal: '--decimal ,',
  map: (from, to) => `--map ${from}=${to}`,
  dateFormat: '--date-format',
}
const read = (text: string | Uint8Array, options: DialectOptions = {}, type: PeriodType = 'any') =>
  parseCsvFile(typeof text === 'string' ? new TextEncoder().encode(text) : text, {
    words,
    dialect: readDialect(options, type),
  })

function issueOf(act: () => unknown): { loc: unknown; msg: string } {
  try {
    act()
  } catch (error) {
    if (error instanceof ChapkitError && error.issues?.[0]) {
      const { loc, msg } = error.issues[0]
      return { loc, msg }
    }
    throw error
  }
  throw new Error('Expected a refusal')
}

test('a file of a French Excel is read when it is told how it is written', () => {
  const text =
    '\ufeffDate;Région;disease_cases;rainfall\r\n31/01/2024;Tillabéri;12;71,5\r\n29/02/2024;Zinder;18;3\r\n'
  const options = {
    delimiter: 'semicolon',
    decimal: ',',
    map: ['Date=time_period', 'Région=location'],
    dateFormat: '%d/%m/%Y',
  }
  expect(read(text, options, 'monthly')).toEqual({
    columns: ['time_period', 'location', 'disease_cases', 'rainfall'],
    data: [
      ['2024-01', 'Tillabéri', 12, 71.5],
      ['2024-02', 'Zinder', 18, 3],
    ],
  })
  expect(read(text, options, 'weekly').data.map(([period]) => period)).toEqual([
    '2024-W05',
    '2024-W09',
  ])
  expect(read(text, options, 'any').data[0]?.[0]).toBe('2024-01-31')
})

test('UTF-16 with its mark is read, as PowerShell and Excel write it', () => {
  const text = '\ufefftime_period\tlocation\n2024-01\tZürich\n'
  const little = new Uint8Array(Buffer.from(text, 'utf16le'))
  const big = new Uint8Array(Buffer.from(text, 'utf16le').swap16())
  for (const bytes of [little, big])
    expect(read(bytes, { delimiter: 'tab' }).data).toEqual([['2024-01', 'Zürich']])
})

describe('a file that is written otherwise is refused with the option that reads it', () => {
  test.each<[string, string, string]>([
    [
      'time_period;location;disease_cases\n2024-01;north;12\n',
      'Expected commas between the columns, got semicolons; --delimiter semicolon reads them',
      'body,1',
    ],
    [
      'time_period\tlocation\n2024-01\tnorth\n',
      'Expected commas between the columns, got tabs; --delimiter tab reads them',
      'body,1',
    ],
    [
      'sep=;\na;b\n',
      'Expected the names of the columns, got "sep=;", which only Excel reads; delete that line',
      'body,1',
    ],
    [
      'a,rainfall\n1,2\n1,"71,5"\n',
      'Expected a number in column `rainfall`, got "71,5": --decimal , reads decimal commas',
      'body,3',
    ],
    [
      'a,rainfall\n1,"1,234"\n',
      'Expected a number in column `rainfall`, got "1,234": write thousands without separators; --decimal , reads decimal commas',
      'body,2',
    ],
    [
      'a,b\rc,d\r',
      'Expected line feeds between the lines, got carriage returns; save it with LF',
      'body,1',
    ],
    [
      'location,a\nx,1\n,2\n',
      'Expected a location in column `location`, line 3, got nothing',
      'body,3',
    ],
    [
      'PK\u0003\u0004',
      'Expected CSV, got a spreadsheet or another binary file; save it as CSV (UTF-8)',
      'body,1',
    ],
  ])('%j', (text, msg, loc) => {
    const issue = issueOf(() => read(text))
    expect({ msg: issue.msg, loc: String(issue.loc) }).toEqual({ msg, loc })
  })

  test('Latin-1 is refused with the line of its first byte', () => {
    const bytes = Uint8Array.from(Buffer.from('location\nx\nTillab\u00e9ri\n', 'latin1'))
    expect(issueOf(() => read(bytes))).toEqual({
      loc: ['body', 3],
      msg: 'Expected CSV in UTF-8; save the file as UTF-8',
    })
  })

  test('points where decimal commas were announced', () => {
    const { msg } = issueOf(() => read('a;rainfall\n1;71.5\n', { delimiter: ';', decimal: ',' }))
    expect(msg).toContain('got "71.5": the decimal mark was said to be a comma')
  })

  test('a date of another format', () => {
    const { msg, loc } = issueOf(() =>
      read('time_period\n31/01/2024\n2024-02-01\n', { dateFormat: '%d/%m/%Y' }),
    )
    expect(msg).toBe(
      'Expected a date written as %d/%m/%Y in column `time_period`, got "2024-02-01"',
    )
    expect(loc).toEqual(['body', 3])
  })
})

describe('an option that cannot be used', () => {
  test.each<[DialectOptions, string, string]>([
    [{ delimiter: 'x' }, 'delimiter', 'Expected comma, semicolon, tab, pipe or space'],
    [{ decimal: ';' }, 'decimal', 'Expected . or , as decimal mark, got ";"'],
    [{ decimal: ',' }, 'decimal', 'Expected another delimiter than the decimal mark'],
    [{ map: ['date'] }, 'map', 'such as date=time_period, got "date"'],
    [{ map: ['a=b', 'a=c'] }, 'map', 'Expected one new name for "a", got two'],
    [{ dateFormat: '%d/%m' }, 'date_format', 'got none with a year'],
    [{ dateFormat: '%Y-%q' }, 'date_format', 'got %q'],
    [{ dateFormat: '%Y %Y' }, 'date_format', 'got %Y twice'],
    [{ dateFormat: '%YW%V' }, 'date_format', 'got one of %G and %V without the other'],
    [{ dateFormat: '%G-%m-%d' }, 'date_format', 'got one of %G and %V without the other'],
  ])('%j is refused by name', (options, option, msg) => {
    const issue = issueOf(() => readDialect(options, 'any'))
    expect(issue.loc).toEqual(['query', option])
    expect(issue.msg).toContain(msg)
  })

  test('a column to rename that the file does not have', () => {
    expect(issueOf(() => read('day,a\n1,2\n', { map: ['date=time_period'] })).msg).toBe(
      'Expected a column "date" to rename, got "day", "a"',
    )
  })

  test('a date format for a file without periods', () => {
    expect(issueOf(() => read('date,a\n31/01/2024,2\n', { dateFormat: '%d/%m/%Y' })).msg).toBe(
      'Expected `time_period` among the columns, got "date", "a"; --map NAME=time_period renames a column',
    )
  })

  test('a name that two columns would have', () => {
    expect(issueOf(() => read('location,b\n1,2\n', { map: ['b=location'] })).msg).toBe(
      'Expected each column once after renaming, got "location" again',
    )
  })
})

describe('a date format', () => {
  test.each<[string, string, PeriodType, string | null]>([
    ['%d/%m/%Y', '1/2/2024', 'monthly', '2024-02'],
    ['%d/%m/%Y', '30/02/2024', 'monthly', null],
    ['%m/%d/%y', '02/01/24', 'any', '2024-02-01'],
    ['%d %b %Y', '3 Mar 2024', 'any', '2024-03-03'],
    ['%d. %B %Y', '3. march 2024', 'any', '2024-03-03'],
    ['%b-%y', 'Dec-99', 'monthly', '1999-12'],
    ['%Y%m', '202413', 'monthly', null],
    ['%Y-%m-%dT%H:%M:%S', '2024-12-30T00:00:00', 'weekly', '2025-W01'],
    ['%d/%m/%Y', '27/12/2020', 'weekly', '2020-W52'],
    ['%d/%m/%Y', '03/01/2021', 'weekly', '2020-W53'],
    ['%G week %V', '2020 week 53', 'weekly', '2020-W53'],
    ['%G week %V', '2021 week 53', 'weekly', null],
    ['%Y-%m-%d %H:%M:%S', '2024-01-31 23:59:59.5', 'any', '2024-01-31'],
    ['%Y-%m-%d %H:%M:%S', '2024-01-31 24:00:00', 'any', null],
    ['%Y-%m-%d %H:%M', '2024-01-31 23:99', 'any', null],
    ['%Y.%j', '2024.366', 'any', '2024-12-31'],
    ['%Y.%j', '2023.366', 'any', null],
    ['%Y', '2024', 'monthly', '2024'],
    ['%d/%m/%Y', 'soon', 'any', null],
  ])('%s reads %j (%s) as %s', (dateFormat, text, type, period) => {
    const file = `time_period,a\n${text},1\n`
    if (period === null) expect(() => read(file, { dateFormat }, type)).toThrow(dateFormat)
    else expect(read(file, { dateFormat }, type).data[0]?.[0]).toBe(period)
  })
})

describe('dates that are finer than the periods of the service', () => {
  const days =
    'location,time_period,disease_cases\na,30/12/2024,1\nb,31/12/2024,2\na,31/12/2024,4\n'

  test('are refused where a location has two of them in one period', () => {
    expect(issueOf(() => read(days, { dateFormat: '%d/%m/%Y' }, 'monthly'))).toEqual({
      loc: ['body', 4],
      msg: 'Expected one date of each period, got "30/12/2024" in line 2 and "31/12/2024" for 2024-12: add up the rows of a period first',
    })
    expect(() => read(days, { dateFormat: '%d/%m/%Y' }, 'weekly')).toThrow('for 2025-W01')
    expect(read(days, { dateFormat: '%d/%m/%Y' }, 'any').data).toHaveLength(3)
  })

  test('are taken with several rows of one date, as age groups have them', () => {
    const groups = 'location,time_period,age\na,31/12/2024,1\na,31/12/2024,2\n'
    expect(read(groups, { dateFormat: '%d/%m/%Y' }, 'monthly').data).toHaveLength(2)
  })
})
