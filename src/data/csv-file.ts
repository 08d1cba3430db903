import { ChapkitError, validationError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { type CsvFileOptions, parseCsv } from './csv.ts'
import { plainDialect } from './csv-dialect.ts'
import type { FrameJson } from './schema.ts'

/**
 * Reads a CSV file as people send it: UTF-8 with or without a byte order mark, or UTF-16 with one. What is not CSV, or has
 * other separators than were told, is refused with the option that would read it; a row without location or period, too.
 * Otherwise as `parseCsv`.
 */
export function parseCsvFile(bytes: Uint8Array, options: Omit<CsvFileOptions, 'keys'>): FrameJson {
  const text = decodeCsv(bytes)
  refuseOthers(text, options)
  return parseCsv(text, { ...options, keys: 'filled' })
}

/** Text from the bytes of a CSV file; what is neither UTF-8 nor marked as UTF-16, or holds NUL, is `validation-failed`. */
export function decodeCsv(bytes: Uint8Array): string {
  const [first, second] = bytes
  const utf16 =
    first === 0xff && second === 0xfe
      ? 'utf-16le'
      : first === 0xfe && second === 0xff
        ? 'utf-16be'
        : null
  let text: string
  try {
    text = new TextDecoder(utf16 ?? 'utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    const line = utf16 === null ? lineOfBadByte(bytes) : 1
    const msg = 'Expected CSV in UTF-8; save the file as UTF-8'
    throw new ChapkitError('validation-failed', `line ${line}: ${msg}`, {
      cause,
      issues: [{ loc: ['body', line], msg, type: 'encoding' }],
    })
  }
  if (text.includes('\0')) throw binary()
  return text
}

const lineFeed = 10

function lineOfBadByte(bytes: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let line = 1
  for (let start = 0; start < bytes.length; line++) {
    const at = bytes.indexOf(lineFeed, start)
    const end = at < 0 ? bytes.length : at
    try {
      decoder.decode(bytes.subarray(start, end))
    } catch {
      return line
    }
    start = end + 1
  }
  return line
}

const separators: readonly [string, name: string, words: string][] = [
  [';', 'semicolon', 'semicolons'],
  ['\t', 'tab', 'tabs'],
  ['|', 'pipe', 'bars'],
  [',', 'comma', 'commas'],
]

/** What people call CSV but is not, and CSV that is written otherwise: the first line tells. */
function refuseOthers(text: string, { dialect = plainDialect, words }: CsvFileOptions): void {
  if (text.startsWith('PK')) throw binary()
  const first = text.replace(/^\ufeff/, '').split(/\r?\n/, 1)[0] ?? ''
  if (/^sep=.$/i.test(first)) {
    throw refused(
      `Expected the names of the columns, got ${show(first)}, which only Excel reads; delete that line`,
    )
  }
  if (/\r[^\n]/.test(first))
    throw refused('Expected line feeds between the lines, got carriage returns; save it with LF')
  if (first.includes(dialect.delimiter)) return
  const found = separators.find(([separator]) => first.includes(separator))
  if (found === undefined) return
  const [, name, came] = found
  const expected =
    separators.find(([separator]) => separator === dialect.delimiter)?.[2] ?? 'blanks'
  const help = words ? `; ${words.delimiter(name)} reads them` : ''
  throw refused(`Expected ${expected} between the columns, got ${came}${help}`)
}

const binary = () =>
  refused('Expected CSV, got a spreadsheet or another binary file; save it as CSV (UTF-8)')

const refused = (msg: string) => validationError([{ loc: ['body', 1], msg, type: 'csv_form' }])
