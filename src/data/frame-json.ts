import type { Issue } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { fileText, isFileText } from '../kernel/text.ts'
import { maximumIssues } from './agreed.ts'
import {
  announcedType,
  type Cell,
  type Field,
  type FieldType,
  type FrameJson,
  fieldTypes,
  kindOf,
  typeOfKinds,
} from './schema.ts'

type Loc = readonly (string | number)[]

/**
 * Checks a frame as it came over HTTP: `columns` (unique, non-empty strings), `data` (rows as long as `columns`, cells
 * that are text as files can hold it, finite number, boolean or null) and an optional `schema`, also under the name `table_schema`; null
 * counts as absent, other keys are ignored. The frame that comes back shares its arrays with `value`. Issues begin
 * their `loc` with `loc`; after 20 the search ends.
 */
export function checkFrame(
  value: unknown,
  loc: (string | number)[],
): { frame: FrameJson } | { issues: Issue[] } {
  const issues: Issue[] = []
  const report = (path: Loc, expected: string, value: unknown, type: string) => {
    if (issues.length === maximumIssues) return
    issues.push({ loc: [...loc, ...path], msg: `Expected ${expected}, got ${show(value)}`, type })
  }

  if (!isObject(value)) {
    report([], 'an object with `columns` and `data`', value, missingOr('object_type', value))
    return { issues }
  }
  const { columns, data } = value
  const columnsFit = checkColumns(columns, report)
  if (!Array.isArray(data)) {
    report(['data'], 'an array of rows', data, missingOr('list_type', data))
  } else if (columnsFit) {
    checkRows(data, (columns as unknown[]).length, issues, report)
  }
  const key = value.schema === undefined || value.schema === null ? 'table_schema' : 'schema'
  const fields = checkSchema(value[key], key, report)
  if (issues.length > 0) return { issues }

  const frame: FrameJson = { columns: columns as string[], data: data as Cell[][] }
  if (fields !== null) frame.schema = { fields }
  return { frame }
}

/**
 * The text that a frame is stored and hashed as: keys in the order `columns`, `data`, `schema`, no spaces, -0 as 0.
 * Equal frames give equal text. Expects a frame without NaN and infinite numbers, as `checkFrame` and `toJson` give.
 */
export function canonicalFrameText(frame: FrameJson): string {
  const { columns, data, schema } = frame
  if (schema === undefined) return JSON.stringify({ columns, data })
  return JSON.stringify({ columns, data, schema: { fields: schema.fields.map(plainField) } })
}

/** The frame as a JSON array of records: `[{"time_period":"2024-01","location":"a"}]`. */
export function recordsText(frame: FrameJson): string {
  const keys = frame.columns.map(
    (name, index) => `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`,
  )
  const end = keys.length === 0 ? '{}' : '}'
  let text = '['
  for (let row = 0; row < frame.data.length; row++) {
    if (row > 0) text += ','
    const cells = frame.data[row]!
    for (let column = 0; column < keys.length; column++) {
      text += keys[column]! + JSON.stringify(cells[column])
    }
    text += end
  }
  return `${text}]`
}

/**
 * The frame with `schema.fields` of names and types: agreed columns first, then `covariates` (those that the model
 * requires, always numbers), then what the values show. A schema that was there is replaced.
 */
export function withSchema(frame: FrameJson, extra: { covariates?: string[] } = {}): FrameJson {
  const covariates = new Set(extra.covariates)
  const fields = frame.columns.map((name, column) => ({
    name,
    type: announcedType(name, inferredType(frame.data, column), covariates),
  }))
  return { columns: frame.columns, data: frame.data, schema: { fields } }
}

type Report = (path: Loc, expected: string, value: unknown, type: string) => void

function checkColumns(columns: unknown, report: Report): columns is string[] {
  if (!Array.isArray(columns)) {
    report(['columns'], 'an array of column names', columns, missingOr('list_type', columns))
    return false
  }
  const seen = new Set<unknown>()
  for (let index = 0; index < columns.length; index++) {
    const name: unknown = columns[index]
    if (typeof name !== 'string') report(['columns', index], 'a string', name, 'string_type')
    else if (name === '') report(['columns', index], 'a name', name, 'empty_column')
    else if (!isFileText(name)) report(['columns', index], fileText, name, 'string_unicode')
    else if (seen.has(name)) {
      report(['columns', index], 'each column once', name, 'duplicate_column')
    }
    seen.add(name)
  }
  return true
}

function checkRows(data: unknown[], width: number, issues: Issue[], report: Report): void {
  for (let row = 0; row < data.length; row++) {
    const cells: unknown = data[row]
    if (!Array.isArray(cells)) {
      report(['data', row], 'an array of cells', cells, 'list_type')
    } else if (cells.length !== width) {
      report(['data', row], `${width} cells as in \`columns\``, cells.length, 'ragged_row')
    } else {
      for (let column = 0; column < width; column++) {
        const cell: unknown = cells[column]
        const kind = typeof cell
        if (kind === 'boolean' || cell === null) continue
        if (kind === 'string' && isFileText(cell as string)) continue
        if (kind === 'number' && Number.isFinite(cell)) continue
        reportCell(cell, row, column, report)
      }
    }
    if (issues.length >= maximumIssues) return
  }
}

function reportCell(cell: unknown, row: number, column: number, report: Report): void {
  const path = ['data', row, column]
  if (typeof cell === 'string') report(path, fileText, cell, 'string_unicode')
  else if (typeof cell === 'number') report(path, 'a finite number or null', cell, 'finite_number')
  else report(path, 'a string, a finite number, a boolean or null', cell, 'cell_type')
}

function checkSchema(schema: unknown, key: string, report: Report): Field[] | null {
  if (schema === undefined || schema === null) return null
  if (!isObject(schema)) {
    report([key], 'an object with `fields`', schema, 'object_type')
    return null
  }
  const { fields } = schema
  if (!Array.isArray(fields)) {
    report([key, 'fields'], 'an array of fields', fields, missingOr('list_type', fields))
    return null
  }
  const kept: Field[] = []
  for (let index = 0; index < fields.length && kept.length === index; index++) {
    const field = checkField(fields[index], [key, 'fields', index], report)
    if (field !== null) kept.push(field)
  }
  return kept
}

/** The field, or null after the first report: one bad field is enough to say. */
function checkField(field: unknown, path: Loc, report: Report): Field | null {
  if (!isObject(field)) {
    report(path, 'an object with `name` and `type`', field, 'object_type')
    return null
  }
  const { name, type, title, description } = field
  if (typeof name !== 'string') {
    report([...path, 'name'], 'a string', name, missingOr('string_type', name))
    return null
  }
  if (!isFileText(name)) {
    report([...path, 'name'], fileText, name, 'string_unicode')
    return null
  }
  if (!fieldTypes.includes(type as FieldType)) {
    report([...path, 'type'], `one of ${fieldTypes.join(', ')}`, type, missingOr('enum', type))
    return null
  }
  for (const [key, text] of Object.entries({ title, description })) {
    if (text === undefined || text === null) continue
    if (typeof text !== 'string') report([...path, key], 'a string or null', text, 'string_type')
    else if (isFileText(text)) continue
    else report([...path, key], fileText, text, 'string_unicode')
    return null
  }
  return plainField({ name, type, title, description } as Field)
}

/** A field with its keys in one order and without those that say nothing. */
function plainField({ name, type, title, description }: Field): Field {
  const field: Field = { name, type }
  if (typeof title === 'string') field.title = title
  if (typeof description === 'string') field.description = description
  return field
}

function inferredType(data: readonly Cell[][], column: number): FieldType {
  let bits = 0
  for (let row = 0; row < data.length; row++) bits |= kindOf(data[row]![column]!)
  return typeOfKinds(bits)
}

function missingOr(type: string, value: unknown): string {
  return value === undefined ? 'missing' : type
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
