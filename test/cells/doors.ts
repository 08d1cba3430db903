import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DataFrame, type FrameJson } from 'chapkit'
import { readCsvFile } from '../../src/cli/csv-file.ts'
import { CommandError } from '../../src/cli/exit.ts'
import { frameToParquet } from '../../src/data/parquet.ts'
import type { Cell } from '../../src/data/schema.ts'
import { ChapkitError } from '../../src/errors.ts'
import { toForecast } from '../../src/host/prediction.ts'
import { readPrediction } from '../../src/script/files.ts'
import { FilesError } from '../../src/script/trouble.ts'

/** The column as whoever comes behind a door sees it; null where it is refused. */
export type Taken = readonly Cell[] | null
export type Door = (column: string, cells: readonly Cell[]) => Taken | Promise<Taken>

/** What is no finding: a door says what it cannot take. */
export async function ifTaken(open: () => Taken | Promise<Taken>): Promise<Taken> {
  try {
    return await open()
  } catch (error) {
    if (
      error instanceof ChapkitError ||
      error instanceof CommandError ||
      error instanceof FilesError ||
      (error as Error).name === 'WrongResult'
    )
      return null
    throw error
  }
}

export const cellsIn = (frame: FrameJson, column: string): Cell[] => {
  const at = frame.columns.indexOf(column)
  return frame.data.map((row) => row[at]!)
}
const ofFrame = (frame: DataFrame, column: string): Cell[] => cellsIn(frame.toJson(), column)

/** Doors through which programs make frames: a cell has a type there. */
export const typedDoors: Record<string, Door> = {
  'DataFrame.fromColumns': (column, cells) =>
    ofFrame(DataFrame.fromColumns({ [column]: cells }), column),
  'DataFrame.fromRecords': (column, cells) =>
    ofFrame(DataFrame.fromRecords(cells.map((cell) => ({ k: 1, [column]: cell }))), column),
  'DataFrame.fromJson': (column, cells) =>
    ofFrame(DataFrame.fromJson({ columns: [column], data: cells.map((cell) => [cell]) }), column),
  'DataFrame.derive': (column, cells) =>
    ofFrame(
      DataFrame.fromColumns({ k: cells.map((_, row) => row) }).derive(
        column,
        (_, row) => cells[row]!,
      ),
      column,
    ),
  'DataFrame.rename': (column, cells) =>
    ofFrame(DataFrame.fromColumns({ other: cells }).rename({ other: column }), column),
  'DataFrame.concat': (column, cells) =>
    ofFrame(
      DataFrame.fromColumns({ [column]: cells.slice(0, 1) }).concat(
        DataFrame.fromColumns({ [column]: cells.slice(1) }),
      ),
      column,
    ),
}

/** The result of a model made of functions, for what it was asked. */
export const modelResult: Door = (column, cells) => {
  const records = cells.map((cell, row) => ({ ...keysOf(row), sample_0: 1, [column]: cell }))
  return cellsIn(toForecast(records, futureFor(column, cells)).prediction, column)
}

const keysOf = (row: number) => ({ time_period: '2024-01', location: `place ${row}` })

/** The future that a result answers: with its own cells, where those say what a row is about. */
function futureFor(column: string, cells: readonly Cell[]): FrameJson {
  const data = cells.map((cell, row): Cell[] => {
    const keys: Record<string, Cell> = keysOf(row)
    if (column in keys) keys[column] = cell === null ? null : String(cell)
    return Object.values(keys)
  })
  return { columns: ['time_period', 'location'], data }
}

/** The same, of a script: a file. */
export function createScriptResult(folder: string): Door {
  return (column, cells) => {
    const names = [...new Set(['time_period', 'location', 'sample_0', column])]
    const rows = cells.map((cell, row) => {
      const record: Record<string, Cell> = { ...keysOf(row), sample_0: 1, [column]: cell }
      return names.map((name) => record[name]!)
    })
    const path = 'predictions.csv'
    writeFileSync(join(folder, path), csvOf(names, rows))
    const future = { bytes: Buffer.from(JSON.stringify(futureFor(column, cells))) }
    const { frame } = readPrediction({ folder, path, covariates: [], future })
    return cellsIn(JSON.parse(Buffer.from(frame).toString()) as FrameJson, column)
  }
}

/** A Parquet file as another program writes it, whose column gets its name then. */
export const parquet: Door = async (column, cells) => {
  const data = cells.map((cell) => [cell])
  const frame = await DataFrame.fromParquet(await frameToParquet({ columns: ['other'], data }))
  return ofFrame(frame.rename({ other: column }), column)
}

/** Doors that read CSV without a service. */
export const csvDoors: Record<string, Door> = {
  'DataFrame.fromCsv of text': (column, cells) =>
    ofFrame(DataFrame.fromCsv(csvOf([column, 'k'], withOne(cells))), column),
  'DataFrame.fromCsv of bytes': (column, cells) => {
    const bytes = Buffer.from(`\ufeff${csvOf(['k', column], withOne(cells, true))}`)
    return ofFrame(DataFrame.fromCsv(bytes), column)
  },
}
const withOne = (cells: readonly Cell[], isFirst = false): Cell[][] =>
  cells.map((cell) => (isFirst ? [1, cell] : [cell, 1]))

/** The command line's reader of files. */
export function createCommandLine(folder: string) {
  return async (
    { columns, data }: FrameJson,
    dialect: { delimiter?: string; decimal?: string } = {},
  ): Promise<FrameJson> => {
    const file = join(folder, 'data.csv')
    writeFileSync(file, csvOf(columns, data, dialect.delimiter))
    const info = { required_covariates: ['humidity'], period_type: 'any' as const }
    const { frame } = await readCsvFile(file, { info, covariates: ['altitude'] }, dialect)
    return frame
  }
}

/** CSV in which every text stands in quotes: what they hold is nobody's separator. */
export function csvOf(
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
  delimiter = ',',
): string {
  const lines = rows.map((row) => row.map(quoted).join(delimiter))
  return `${columns.join(delimiter)}\n${lines.join('\n')}\n`
}

function quoted(cell: Cell): string {
  if (cell === null) return ''
  if (typeof cell === 'string') return `"${cell.replaceAll('"', '""')}"`
  // Digits alone would be an identifier there.
  const isLong = typeof cell === 'number' && Math.abs(cell) > Number.MAX_SAFE_INTEGER
  return isLong ? cell.toExponential() : String(cell)
}

/** A folder for as long as the work takes. */
export async function withFolder<Result>(work: (path: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-cells-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
