import { decodeUtf8, parseCsv } from '../data/csv.ts'
import { parsePeriod } from '../data/periods.ts'
import type { FrameJson } from '../data/schema.ts'
import { ChapkitError, type Issue } from '../errors.ts'
import { CommandError } from './exit.ts'
import { readInput } from './files.ts'

/** Columns that hold numbers for every model: a word in one is a mistake, and the line of it is known here only. */
const numeric = {
  disease_cases: 'number',
  population: 'number',
  rainfall: 'number',
  mean_temperature: 'number',
} as const

/** A CSV file as the service is sent it. */
export interface CsvFile {
  /** Its name for messages. */
  name: string
  frame: FrameJson
  warnings: string[]
}

/** Reads a CSV file, or stdin for `-`. What is wrong with it is told with its name, line and column. */
export async function readCsvFile(path: string): Promise<CsvFile> {
  const name = path === '-' ? 'stdin' : path
  const bytes = await readInput(path)
  if (bytes.byteLength === 0)
    throw new CommandError(`${name} is empty: expected CSV with a header line`)
  let frame: FrameJson
  try {
    const text = decodeUtf8(bytes)
    refuseOthers(name, text)
    frame = parseCsv(text, { types: numeric })
  } catch (error) {
    if (!(error instanceof ChapkitError)) throw error
    const [issue] = error.issues ?? []
    throw new CommandError(issue ? toLine(name, issue) : `${name}: ${error.message}`)
  }
  if (frame.data.length === 0) throw new CommandError(`${name} has a header but no rows`)
  return { name, frame, warnings: findOddities(name, frame) }
}

function toLine(name: string, { loc, msg }: Issue): string {
  return `${name}:${loc[1]}: ${msg}`
}

/** What people call CSV but is not: the first line tells. */
function refuseOthers(name: string, text: string) {
  if (text.startsWith('PK') || text.includes('\0'))
    throw new CommandError(
      `${name} is not CSV but a spreadsheet or another binary file: save it as CSV (UTF-8)`,
    )
  const [first = ''] = text.split('\n', 1)
  if (first.includes(',')) return
  const separator = first.includes(';') ? 'semicolons' : first.includes('\t') ? 'tabs' : null
  if (separator !== null)
    throw new CommandError(
      `${name}:1: expected commas between the columns, got ${separator}; save it as CSV with commas`,
    )
}

/** What a model will hardly understand, though it may. */
function findOddities(name: string, { columns, data }: FrameJson): string[] {
  const lacking = ['time_period', 'location'].filter((column) => !columns.includes(column))
  const warnings =
    lacking.length > 0
      ? [
          `${name}:1: has no column ${lacking.join(' and ')}, which models go by; it has ${columns.join(', ')}`,
        ]
      : []
  const at = columns.indexOf('time_period')
  const row = at < 0 ? -1 : data.findIndex((cells) => parsePeriod(String(cells[at] ?? '')) === null)
  if (row >= 0)
    warnings.push(
      `${name}: row ${row + 1}: expected a period such as 2024-01 or 2024-W05 in column time_period, got ${JSON.stringify(data[row]![at])}`,
    )
  return warnings
}
