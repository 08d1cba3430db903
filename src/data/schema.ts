/** One value of a frame. `null` is a missing value; `NaN` is a number that a computation got wrong. */
export type Cell = string | number | boolean | null

/** What a column holds. `integer` is a number without fraction up to 2^53; `any` is mixed or only nulls. */
export type FieldType = 'string' | 'integer' | 'number' | 'boolean' | 'any'

export const fieldTypes: readonly FieldType[] = ['string', 'integer', 'number', 'boolean', 'any']

/** A column's name and type, and how people call it. */
export interface Field {
  name: string
  type: FieldType
  title?: string
  description?: string
}

/** A frame as it travels: rows of cells in the order of `columns`. */
export interface FrameJson {
  columns: string[]
  data: Cell[][]
  schema?: { fields: Field[] }
}

/** Rows read from a file, by column. */
export interface CellColumns {
  columns: string[]
  cells: Cell[][]
}

/** Columns whose type is agreed between models, whatever a single frame holds. */
const canonicalTypes: ReadonlyMap<string, FieldType> = new Map<string, FieldType>([
  ['time_period', 'string'],
  ['location', 'string'],
  ['disease_cases', 'number'],
  ['rainfall', 'number'],
  ['mean_temperature', 'number'],
])

/** Names of columns that are text however much their cells look like numbers. */
export function isTextColumn(name: string): boolean {
  return canonicalTypes.get(name) === 'string'
}

/** Names of columns that hold numbers in every frame of the contract. */
export function isNumericColumn(name: string): boolean {
  return name === 'population' || canonicalTypes.get(name) === 'number'
}

/**
 * The type that a column is announced with: agreed columns first, then covariates that the model requires, then
 * `inferred` from the values. `population` is an integer unless a value has a fraction.
 */
export function announcedType(
  name: string,
  inferred: FieldType,
  covariates?: ReadonlySet<string>,
): FieldType {
  const canonical = canonicalTypes.get(name)
  if (canonical !== undefined) return canonical
  if (name === 'population') return inferred === 'number' ? 'number' : 'integer'
  if (covariates?.has(name)) return 'number'
  return inferred
}

/** Bits of the kinds of value in a column; `typeOfKinds` turns their union into a type. */
export const kinds = { integer: 1, float: 2, string: 4, boolean: 8 } as const

export function typeOfKinds(bits: number): FieldType {
  switch (bits) {
    case kinds.integer:
      return 'integer'
    case kinds.float:
    case kinds.integer | kinds.float:
      return 'number'
    case kinds.string:
      return 'string'
    case kinds.boolean:
      return 'boolean'
    default:
      return 'any'
  }
}

/** Kind of one cell; 0 for null. */
export function kindOf(cell: Cell): number {
  if (typeof cell === 'number') return Number.isSafeInteger(cell) ? kinds.integer : kinds.float
  if (typeof cell === 'string') return kinds.string
  return cell === null ? 0 : kinds.boolean
}

/** Rows from columns. */
export function toRows({ cells }: CellColumns, length: number): Cell[][] {
  const rows = new Array<Cell[]>(length)
  const width = cells.length
  for (let row = 0; row < length; row++) {
    const out = new Array<Cell>(width)
    for (let column = 0; column < width; column++) out[column] = cells[column]![row]!
    rows[row] = out
  }
  return rows
}
