import type { Cell, FrameJson } from '../data/schema.ts'

/** A row as an object; a key that a row lacks is a missing value. */
export type FrameRecord = Record<string, Cell>

/** A table in any of the forms that people have it in: a `DataFrame`, columns and rows, or a list of records. */
export type FrameInput =
  | FrameJson
  | { toJson(): FrameJson }
  | readonly Readonly<Record<string, Cell | undefined>>[]

/** A table as it travels. */
export function toFrame(input: FrameInput): FrameJson {
  if ('toJson' in input) return input.toJson()
  if (!Array.isArray(input)) return input as FrameJson
  const columns = [...new Set(input.flatMap((record) => Object.keys(record)))]
  return { columns, data: input.map((record) => columns.map((name) => record[name] ?? null)) }
}

/** The rows of a table as objects. */
export function toRecords({ columns, data }: FrameJson): FrameRecord[] {
  return data.map((row) =>
    Object.fromEntries(columns.map((name, index) => [name, row[index] ?? null])),
  )
}
