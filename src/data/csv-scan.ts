import { validationError } from '../errors.ts'
import { show } from '../kernel/show.ts'

/** Cells as they are written: null for nothing at all, an empty string for `""`. `lines` has the line of each row. */
export interface ScannedCsv {
  header: string[]
  columns: (string | null)[][]
  lines: number[]
}

/** Separators of columns by their character, as messages name one. */
export const separatorNames: Readonly<Record<string, string>> = {
  ',': 'a comma',
  ';': 'a semicolon',
  '\t': 'a tab',
  '|': 'a bar',
  ' ': 'a blank',
}

const quote = 34
const lineFeed = 10
const carriageReturn = 13

/**
 * Splits CSV into columns of text in one pass over the characters. Our own rather than a library's, because what makes
 * a CSV file wrong must be told with its line (ragged rows, open quotes), and `""` must stay apart from nothing;
 * the fast libraries fill, cut or join such rows in silence.
 */
export function scanCsv(source: string, delimiter = ','): ScannedCsv {
  const text = source.charCodeAt(0) === 0xfeff ? source.slice(1) : source
  const end = text.length
  const separator = delimiter.charCodeAt(0)
  const columns: (string | null)[][] = []
  const lines: number[] = []
  let header: string[] | null = null
  let row: (string | null)[] = []
  let line = 1
  let rowLine = 1
  let at = 0

  while (at < end) {
    let cell: string | null
    if (text.charCodeAt(at) === quote) {
      const close = closingQuote(text, at, line)
      const inner = text.slice(at + 1, close)
      cell = inner.includes('"') ? inner.replaceAll('""', '"') : inner
      line += countLines(inner)
      at = close + 1
    } else {
      const start = at
      at = unquotedEnd(text, at, end, separator)
      cell = start === at ? null : text.slice(start, at)
    }
    row.push(cell)

    const next = text.charCodeAt(at)
    if (next === separator) {
      at++
      // A separator at the very end still opens one more, empty, cell.
      if (at < end) continue
      row.push(null)
    } else if (next === carriageReturn && text.charCodeAt(at + 1) === lineFeed) at += 2
    else if (next === lineFeed) at++
    else if (at < end) throw afterQuote(text, at, line, delimiter)

    const blank = row.length === 1 && row[0] === null
    if (header === null) {
      if (!blank) {
        header = toHeader(row)
        for (let column = 0; column < header.length; column++) columns.push([])
      }
    } else if (row.length === header.length) {
      for (let column = 0; column < row.length; column++) columns[column]!.push(row[column]!)
      lines.push(rowLine)
    } else if (!blank) throw ragged(rowLine, header.length, row.length)
    row = []
    line++
    rowLine = line
  }
  if (header === null) {
    throw validationError([
      { loc: ['body', 1], msg: 'Expected a header line, got nothing', type: 'missing' },
    ])
  }
  return { header, columns, lines }
}

/** Where an unquoted cell ends: a separator, a line end, or the end of the text. A lone CR belongs to the cell. */
function unquotedEnd(text: string, start: number, end: number, separator: number): number {
  let at = start
  for (; at < end; at++) {
    const code = text.charCodeAt(at)
    if (code === separator || code === lineFeed) return at
    if (code === carriageReturn && text.charCodeAt(at + 1) === lineFeed) return at
  }
  return at
}

function closingQuote(text: string, open: number, line: number): number {
  let at = open + 1
  for (;;) {
    const close = text.indexOf('"', at)
    if (close < 0) {
      throw validationError([
        {
          loc: ['body', line],
          msg: `Expected a closing quote, got the end of the text after ${show(text.slice(open, open + 40))}`,
          type: 'unterminated_quote',
        },
      ])
    }
    if (text.charCodeAt(close + 1) !== quote) return close
    at = close + 2
  }
}

function countLines(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++
  return count
}

function toHeader(row: readonly (string | null)[]): string[] {
  const names = row.map((cell, column) => (column === 0 && !cell ? 'index' : (cell ?? '')))
  const seen = new Set<string>()
  for (const [column, name] of names.entries()) {
    if (name === '') {
      throw validationError([
        {
          loc: ['body', 1],
          msg: `Expected a name for column ${column + 1} in the header, got nothing`,
          type: 'empty_column',
        },
      ])
    }
    if (seen.has(name)) {
      throw validationError([
        {
          loc: ['body', 1],
          msg: `Expected each column once in the header, got ${show(name)} again`,
          type: 'duplicate_column',
        },
      ])
    }
    seen.add(name)
  }
  return names
}

function ragged(line: number, expected: number, came: number) {
  return validationError([
    {
      loc: ['body', line],
      msg: `Expected ${expected} cells as in the header, got ${came}`,
      type: 'ragged_row',
    },
  ])
}

function afterQuote(text: string, at: number, line: number, delimiter: string) {
  const separator = separatorNames[delimiter] ?? show(delimiter)
  return validationError([
    {
      loc: ['body', line],
      msg: `Expected ${separator} or a line end after the closing quote, got ${show(text.slice(at, at + 10))}`,
      type: 'stray_quote',
    },
  ])
}
