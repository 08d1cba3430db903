import type { Info } from '../client/index.ts'
import { keyColumns } from '../data/agreed.ts'
import { type DialectOptions, type DialectWords, readDialect } from '../data/csv-dialect.ts'
import { parseCsvFile } from '../data/csv-file.ts'
import { parsePeriod } from '../data/periods.ts'
import type { FrameJson } from '../data/schema.ts'
import { ChapkitError, type Issue } from '../errors.ts'
import { numericColumns } from '../ml/covariates.ts'
import { CommandError, exit } from './exit.ts'
import { readInput } from './files.ts'

/** A CSV file as the service is sent it. */
export interface CsvFile {
  /** Its name for messages. */
  name: string
  frame: FrameJson
  warnings: string[]
}

/** How options are named in messages about the file. */
const optionWords: DialectWords = {
  delimiter: (name) => `--delimiter ${name}`,
  decimal: '--decimal ,',
  map: (from, to) => `--map ${/^[\w.-]+$/.test(from) ? from : `'${from}'`}=${to}`,
  dateFormat: '--date-format',
}

/** What a service says of the columns and periods of its data. */
export interface ServedData {
  info: Pick<Info, 'required_covariates' | 'target' | 'period_type'>
  /** Covariates of the config: they hold numbers, too. */
  covariates: readonly string[]
}

/**
 * Reads a CSV file, or stdin for `-`, as the service would: it says which columns hold numbers, and what its periods are.
 * What is wrong with it is told with its name, line and column.
 */
export async function readCsvFile(
  path: string,
  { info, covariates }: ServedData,
  options: DialectOptions = {},
): Promise<CsvFile> {
  const name = path === '-' ? 'stdin' : path
  const bytes = await readInput(path)
  if (bytes.byteLength === 0)
    throw new CommandError(`${name} is empty: expected CSV with a header line`)
  let frame: FrameJson
  try {
    frame = parseCsvFile(bytes, {
      numeric: new Set([...numericColumns(info), ...covariates]),
      required: info.required_covariates ?? [],
      dialect: readDialect(options, info.period_type ?? 'any'),
      words: optionWords,
    })
  } catch (error) {
    if (!(error instanceof ChapkitError)) throw error
    throw toCommandError(name, error)
  }
  if (frame.data.length === 0) throw new CommandError(`${name} has a header but no rows`)
  return { name, frame, warnings: findOddities(name, frame) }
}

function toCommandError(name: string, { message, issues = [] }: ChapkitError): CommandError {
  const [issue, ...more] = issues
  if (!issue) return new CommandError(`${name}: ${message}`)
  const [where, option] = issue.loc
  if (where === 'query')
    return new CommandError(`--${String(option).replace('_', '-')}: ${issue.msg}`, exit.usage)
  const rest = more.length > 0 ? ` (and ${more.length} more such cells)` : ''
  return new CommandError(`${toLine(name, issue)}${rest}`)
}

function toLine(name: string, { loc, msg }: Issue): string {
  return `${name}:${loc[1]}: ${msg}`
}

/** What a model will hardly understand, though it may. */
function findOddities(name: string, { columns, data }: FrameJson): string[] {
  const warnings = keyColumns
    .filter((column) => !columns.includes(column))
    .map((column) => {
      const from = likely(column, columns) ?? 'NAME'
      return `${name}:1: has no column ${column}, which models go by; it has ${columns.join(', ')}; ${optionWords.map(from, column)} renames one`
    })
  const at = columns.indexOf('time_period')
  const row = at < 0 ? -1 : data.findIndex((cells) => parsePeriod(String(cells[at] ?? '')) === null)
  if (row >= 0)
    warnings.push(
      `${name}: row ${row + 1}: expected a period such as 2024-01 or 2024-W05 in column time_period, got ${JSON.stringify(data[row]![at])}; ${optionWords.dateFormat} %d/%m/%Y reads dates such as 31/01/2024`,
    )
  return warnings
}

const likelyNames: Readonly<Record<(typeof keyColumns)[number], RegExp>> = {
  time_period:
    /^(?:date|period|month|week|time|year|day|datum|fecha|mes|semana|mois|semaine|période)/i,
  location:
    /^(?:loc|district|region|province|area|place|orgunit|org_unit|country|county|site|dept|département|distrito|municip)/i,
}

/** The column that probably is the one that is missing. */
function likely(wanted: (typeof keyColumns)[number], columns: readonly string[]) {
  const bare = (text: string) => text.trim().toLowerCase().replaceAll(/[ .-]/g, '_')
  return (
    columns.find((column) => bare(column) === wanted) ??
    columns.find((column) => likelyNames[wanted].test(column.trim()))
  )
}
