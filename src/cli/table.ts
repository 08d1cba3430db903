import { printable } from '../kernel/printable.ts'

export interface Column {
  title: string
  /** Numbers stand better to the right. @default 'left' */
  align?: 'left' | 'right'
}

/** A table for people: titles, rows, two spaces between columns. */
export function toTable(
  columns: readonly Column[],
  rows: readonly (readonly (string | number | null)[])[],
  { title = (text: string) => text } = {},
): string {
  const cells = rows.map((row) => columns.map((_, at) => toText(row[at] ?? '')))
  const widths = columns.map((column, at) =>
    cells.reduce((most, row) => Math.max(most, widthOf(row[at]!)), widthOf(column.title)),
  )
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => pad(cell, widths[at]!, columns[at]!.align))
      .join('  ')
      .trimEnd()
  return [title(line(columns.map((column) => column.title))), ...cells.map(line)].join('\n')
}

/** Text of others on one line of a terminal: a line break would forge what stands below. */
export function toText(value: string | number): string {
  return printable(String(value)).replace(/[\n\t]+/g, ' ')
}

function pad(text: string, width: number, align: Column['align'] = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)))
  return align === 'left' ? text + space : space + text
}

/** Characters of Chinese, Japanese and Korean, and pictures, take two columns. */
const wide =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|\p{Emoji_Presentation}|[\uff01-\uff60]/u
const segmenter = new Intl.Segmenter()

/** Columns that a text takes on a terminal. */
export function widthOf(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what is plain needs no second look
  if (/^[\u0000-\u00ff]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of segmenter.segment(text)) width += wide.test(segment) ? 2 : 1
  return width
}
