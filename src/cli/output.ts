import { styleText } from 'node:util'
import { exit } from './exit.ts'
import { createProgress, type Progress, silent } from './progress.ts'
import { type Column, toTable, toText } from './table.ts'

/** How a command speaks: results on stdout, everything else on stderr. */
export interface Output {
  /** Whether programs read it, with `--json`. */
  readonly json: boolean
  /** What was asked for: a JSON document with `--json`, the text otherwise. */
  result(value: unknown, text: () => string): void
  /** A part of what was asked for, as soon as it is there: a line of JSON with `--json`, the text otherwise. */
  part(value: unknown, text: () => string): void
  /** Something good to know, for people. */
  note(text: string): void
  warn(text: string): void
  progress(title: string): Progress
  table(columns: readonly Column[], rows: Parameters<typeof toTable>[1]): string
  /** Colour, where stdout is a terminal that wants it. */
  paint(colour: Colour, text: string): string
}

export type Colour = Parameters<typeof styleText>[0]

export function createOutput({ json = false }: { json?: boolean } = {}): Output {
  const { stdout, stderr } = process
  // `styleText` asks the stream and NO_COLOR, NODE_DISABLE_COLORS and FORCE_COLOR.
  const paint = (colour: Colour, text: string) => styleText(colour, text, { stream: stdout })
  return {
    json,
    paint,
    result(value, text) {
      stdout.write(`${json ? JSON.stringify(value, null, 2) : text()}\n`)
    },
    part(value, text) {
      stdout.write(`${json ? JSON.stringify(value) : text()}\n`)
    },
    note(text) {
      if (!json) stderr.write(`chapkit: ${text}\n`)
    },
    warn: (text) => void stderr.write(`chapkit: warning: ${toText(text)}\n`),
    progress: (title) => (json ? silent : createProgress(title, stderr, Date.now)),
    table: (columns, rows) => toTable(columns, rows, { title: (text) => paint('bold', text) }),
  }
}

/**
 * Ends the process when nobody can read what it prints: silently when the reader has gone, as `head` does, with a reason
 * otherwise. Without it such a write ends in a stack trace.
 */
export function guardStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exit.ok)
    const why = error.code === 'ENOSPC' ? 'its disk is full' : error.message
    process.stderr.write(`chapkit: the output cannot be written: ${why}\n`)
    process.exit(exit.failed)
  })
  // Nobody can be told.
  process.stderr.on('error', () => {})
}
