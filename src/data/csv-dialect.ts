import { ChapkitError, validationError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import type { DecimalMark } from './agreed.ts'
import { type DateReader, dateReader, type PeriodType } from './date-format.ts'

/** How a CSV file is written, where it is not as RFC 4180 and programs have it. */
export interface CsvDialect {
  /** Character between columns. @default ',' */
  delimiter: string
  /** Mark before decimals. @default '.' */
  decimal: DecimalMark
  /** New names of columns, by those in the file. */
  names: ReadonlyMap<string, string>
  /** Reads `time_period`; null takes it as it is written. */
  readDate: DateReader | null
  /** The format that `readDate` reads, for messages. */
  dateFormat: string | null
}

export const plainDialect: CsvDialect = {
  delimiter: ',',
  decimal: '.',
  names: new Map(),
  readDate: null,
  dateFormat: null,
}

/** A dialect as people ask for it: options of a command, or parameters of a query. */
export interface DialectOptions {
  delimiter?: string | undefined
  decimal?: string | undefined
  /** Each `name in the file=name`. */
  map?: readonly string[] | undefined
  dateFormat?: string | undefined
}

/** What the options of a dialect are called where a file comes in: errors name the one that would help. */
export interface DialectWords {
  delimiter: (name: string) => string
  decimal: string
  map: (from: string, to: string) => string
  dateFormat: string
}

const delimiters: Readonly<Record<string, string>> = {
  comma: ',',
  semicolon: ';',
  tab: '\t',
  '\\t': '\t',
  pipe: '|',
  space: ' ',
}

/**
 * Reads the options of a dialect. Throws `validation-failed` for a delimiter that is not one of `,` `;` `|`, tab and blank,
 * a decimal mark that is neither `.` nor `,`, one mark for both, a `map` without `=`, and a date format that cannot be
 * read; the issue's `loc` is `["query", option]`.
 */
export function readDialect(options: DialectOptions, periodType: PeriodType): CsvDialect {
  const { dateFormat = null } = options
  const delimiter = toDelimiter(options.delimiter)
  const decimal = options.decimal ?? '.'
  if (decimal !== '.' && decimal !== ',')
    throw wrong('decimal', `Expected . or , as decimal mark, got ${show(decimal)}`)
  if (decimal === delimiter) {
    throw wrong(
      'decimal',
      'Expected another delimiter than the decimal mark, got a comma for both; files with decimal commas have semicolons or tabs between columns',
    )
  }
  const names = toNames(options.map ?? [])
  const readDate = dateFormat === null ? null : toReader(dateFormat, periodType)
  return { delimiter, decimal, names, readDate, dateFormat }
}

function toReader(format: string, periodType: PeriodType): DateReader {
  try {
    return dateReader(format, periodType)
  } catch (error) {
    if (error instanceof ChapkitError) throw wrong('date_format', error.message)
    throw error
  }
}

function toDelimiter(asked = ','): string {
  const delimiter = delimiters[asked] ?? asked
  if (Object.values(delimiters).includes(delimiter)) return delimiter
  throw wrong(
    'delimiter',
    `Expected comma, semicolon, tab, pipe or space as delimiter, or the character itself, got ${show(asked)}`,
  )
}

function toNames(map: readonly string[]): Map<string, string> {
  const names = new Map<string, string>()
  for (const pair of map) {
    // Agreed names have no equals sign; those of a file may.
    const at = pair.lastIndexOf('=')
    const [from, to] = [pair.slice(0, at), pair.slice(at + 1)]
    if (at < 1 || to === '') {
      throw wrong(
        'map',
        `Expected a name in the file, = and the name of the column, such as date=time_period, got ${show(pair)}`,
      )
    }
    if (names.has(from)) throw wrong('map', `Expected one new name for ${show(from)}, got two`)
    names.set(from, to)
  }
  return names
}

const wrong = (option: string, msg: string) =>
  validationError([{ loc: ['query', option], msg, type: 'csv_option' }])
