import { type LineEnd, writeCsv } from '../data/csv.ts'
import type { FrameJson } from '../data/frame.ts'
import { checkFrame, recordsText } from '../data/frame-json.ts'
import { frameToParquet } from '../data/parquet.ts'

/** What a frame can be downloaded as. */
export const frameFormats = ['records', 'json', 'csv', 'parquet'] as const
export type FrameFormat = (typeof frameFormats)[number]
/** What a frame can be written as: `csv-lf` is that of scripts. */
export type FrameForm = FrameFormat | 'csv-lf'

/** Rows that are written at a time: of the text of a frame only so much stands in memory. */
const rowsAtATime = 5000

/** The frame that JSON bytes say; null when they say something else. */
export function readFrame(bytes: Uint8Array): FrameJson | null {
  const checked = checkFrame(JSON.parse(Buffer.from(bytes).toString()), [])
  return 'frame' in checked ? checked.frame : null
}

/** The bytes of a frame in a form, a part at a time. */
export async function* writeFrame(frame: FrameJson, format: FrameForm): AsyncGenerator<Uint8Array> {
  if (format === 'parquet') {
    yield await frameToParquet(frame)
    return
  }
  for (const text of texts[format](frame)) yield Buffer.from(text)
}

const texts: Readonly<
  Record<Exclude<FrameForm, 'parquet'>, (frame: FrameJson) => Iterable<string>>
> = {
  *records(frame) {
    let mark = '['
    for (const part of parts(frame)) {
      yield mark + recordsText(part).slice(1, -1)
      mark = ','
    }
    yield mark === '[' ? '[]' : ']'
  },

  *json({ data, columns, schema }) {
    let mark = `{"columns":${JSON.stringify(columns)},"data":[`
    for (const part of parts({ columns, data })) {
      yield mark + JSON.stringify(part.data).slice(1, -1)
      mark = ','
    }
    if (data.length === 0) yield mark
    yield schema === undefined ? ']}' : `],"schema":${JSON.stringify(schema)}}`
  },

  csv: (frame) => csvTexts(frame, '\r\n'),
  'csv-lf': (frame) => csvTexts(frame, '\n'),
}

function* csvTexts(frame: FrameJson, lineEnd: LineEnd): Generator<string> {
  const header = writeCsv({ columns: frame.columns, data: [] }, lineEnd)
  yield header
  for (const part of parts(frame)) yield writeCsv(part, lineEnd).slice(header.length)
}

function* parts({ columns, data }: FrameJson): Generator<FrameJson> {
  for (let at = 0; at < data.length; at += rowsAtATime)
    yield { columns, data: data.slice(at, at + rowsAtATime) }
}
