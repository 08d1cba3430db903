import { type Colour, paint, print, printJson, say, screen } from './print.ts'
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

export function createOutput({ json = false }: { json?: boolean } = {}): Output {
  return {
    json,
    paint,
    result(value, text) {
      if (json) printJson(JSON.stringify(value, null, 2))
      else print(text())
    },
    part(value, text) {
      if (json) printJson(JSON.stringify(value))
      else print(text())
    },
    note(text) {
      if (!json) say(`chapkit: ${text}`)
    },
    warn: (text) => say(`chapkit: warning: ${toText(text)}`),
    progress: (title) => (json ? silent : createProgress(title, screen, () => performance.now())),
    table: (columns, rows) => toTable(columns, rows, { title: (text) => paint('bold', text) }),
  }
}
