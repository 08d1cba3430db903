import type { Issue } from '../errors.ts'
import { isKept } from '../kernel/decimal.ts'
import { show } from '../kernel/show.ts'
import { type Cell, type FrameJson, isNumericColumn, isTextColumn } from './schema.ts'

/** What a column holds by agreement, whatever a single frame has in it. */
export type Agreed = 'text' | 'number'

/** How numbers are written in a text: with a point, or with a comma as in much of Europe and Africa. */
export type DecimalMark = '.' | ','

/** The agreed kind of a column; null where there is none. `numeric` are further columns that hold numbers. */
export function agreedKind(name: string, numeric?: ReadonlySet<string>): Agreed | null {
  if (isTextColumn(name)) return 'text'
  return isNumericColumn(name) || numeric?.has(name) ? 'number' : null
}

/**
 * A cell as its agreed kind has it, or undefined where it is neither that nor can be it without a guess.
 *
 * Text takes text, and whole numbers up to 2^53 as their digits (`7` is `"7"`): location codes are written so by programs
 * that read them from a table. A number takes numbers, and text that `numberOf` reads; an empty text and `NA` are null.
 */
export function agreedCell(cell: Cell, kind: Agreed, decimal: DecimalMark = '.'): Cell | undefined {
  if (cell === null) return null
  if (kind === 'text') {
    if (typeof cell === 'string') return cell
    return Number.isSafeInteger(cell) ? String(cell) : undefined
  }
  if (typeof cell === 'number') return cell
  if (typeof cell !== 'string') return undefined
  return cell === '' || cell === 'NA' ? null : (numberOf(cell, decimal) ?? undefined)
}

const withPoint = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const withComma = /^[+-]?(?:\d+,?\d*|,\d+)(?:[eE][+-]?\d+)?$/
const outerBlanks = /^[ \t]+|[ \t]+$/g

/**
 * The number that a text says where a number is expected: digits with at most one decimal mark, a sign, an exponent with or
 * without sign (`3e5`, as R's readr writes 300000), leading zeros, blanks around it. Null for anything else: `nan`, `inf`,
 * `<5`, thousands separators, another decimal mark, hexadecimal, digits beyond 2^53 that a double does not
 * keep, and numbers beyond its range.
 */
export function numberOf(text: string, decimal: DecimalMark = '.'): number | null {
  const bare = text.replace(outerBlanks, '')
  if (!(decimal === '.' ? withPoint : withComma).test(bare)) return null
  const pointed = decimal === '.' ? bare : bare.replace(',', '.')
  const number = Number(pointed)
  // Digits that a double does not keep are an identifier, or wrong.
  return isKept(pointed, number) ? number : null
}

/** What was expected in a cell and what came. `options` names what reads files that are written otherwise. */
export function misfitMessage(
  column: string,
  cell: unknown,
  kind: Agreed,
  place = '',
  { decimal = '.', decimalOption }: { decimal?: DecimalMark; decimalOption?: string } = {},
): string {
  const where = `in column \`${column}\`${place}`
  if (kind === 'text') return `Expected text ${where}, got ${show(cell)}`
  const hint = typeof cell === 'string' ? numberHint(cell, decimal, decimalOption) : ''
  return `Expected a number ${where}, got ${show(cell)}${hint}`
}

function numberHint(text: string, decimal: DecimalMark, decimalOption: string | undefined): string {
  const bare = text.trim()
  if (bare === '' || /^(?:nan|null|none|nil|n\/?a|#n\/a|-+|\.+|\?+|missing|nd|sd)$/i.test(bare))
    return ': leave the cell empty, or write NA, where there is no value'
  if (/^[<>≤≥]/.test(bare))
    return ': a range is no number; write the count, or leave the cell empty'
  const thousands = /^[+-]?\d{1,3}([,. '\u00a0\u202f])\d{3}(?:\1\d{3})*(?:[.,]\d+)?$/.test(bare)
  const comma = decimal === '.' && /^[+-]?\d*,\d+(?:[eE][+-]?\d+)?$/.test(bare)
  const byComma =
    decimalOption === undefined
      ? 'write decimals with a point'
      : `${decimalOption} reads decimal commas`
  if (/^[+-]?\d+[.,]?\d*$/.test(bare) && numberOf(bare.replace(/[.,]/, ''), decimal) === null)
    return ': a number keeps 15 to 17 digits; round it, or write it as 1.5e20'
  if (/^[+-]?[\d.,]+e\+?\d+$/i.test(bare)) return ': it is too large for a number'
  if (thousands && comma) return `: write thousands without separators; ${byComma}`
  if (thousands) return ': write thousands without separators'
  if (comma) return `: ${byComma}`
  if (decimal === ',' && /^[+-]?\d*\.\d+$/.test(bare))
    return ': the decimal mark was said to be a comma'
  return ''
}

/** Columns that say what a row is about; a forecast is asked for by them. */
export const keyColumns = ['time_period', 'location'] as const

/** Whether a key says nothing: null, or blanks alone. */
export const isEmptyKey = (cell: Cell): boolean =>
  cell === null || (typeof cell === 'string' && cell.trim() === '')

/** Kind of the issues that `agreeRows` finds: what a frame holds is wrong, not its form. */
export const columnIssue = 'column_type'

/** Issues that one answer tells. */
export const maximumIssues = 20

/**
 * Brings the rows of a frame to what is agreed of its columns, in place, and tells what cannot be: a cell of another kind,
 * and a row without location or period. `loc` is where the frame came from; rows count from 0. `decimal` is the mark of the
 * file that text came from.
 */
export function agreeRows(
  { columns, data }: FrameJson,
  loc: readonly (string | number)[],
  numeric?: ReadonlySet<string>,
  decimal: DecimalMark = '.',
): Issue[] {
  const issues: Issue[] = []
  for (const [column, name] of columns.entries()) {
    const kind = agreedKind(name, numeric)
    if (kind === null) continue
    const isKey = (keyColumns as readonly string[]).includes(name)
    for (let row = 0; row < data.length; row++) {
      const cell = data[row]![column]!
      const agreed = agreedCell(cell, kind, decimal)
      const empty = isKey && agreed !== undefined && isEmptyKey(agreed)
      if (agreed !== undefined && !empty) {
        if (agreed !== cell) data[row]![column] = agreed
        continue
      }
      const msg = empty
        ? emptyKeyMessage(name, cell, `row ${row}`)
        : misfitMessage(name, cell, kind, `, row ${row}`, { decimal })
      issues.push({ loc: [...loc, 'data', row, column], msg, type: columnIssue })
      if (issues.length === maximumIssues) return issues
    }
  }
  return issues
}

export const emptyKeyMessage = (name: string, cell: Cell, place: string): string =>
  `Expected a ${name === 'location' ? 'location' : 'period'} in column \`${name}\`, ${place}, got ${cell === null ? 'nothing' : show(cell)}`
