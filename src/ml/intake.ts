import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { agreeRows, type DecimalMark } from '../data/agreed.ts'
import { type DialectOptions, type DialectWords, readDialect } from '../data/csv-dialect.ts'
import { parseCsvFile } from '../data/csv-file.ts'
import type { PeriodType } from '../data/date-format.ts'
import { canonicalFrameText, checkFrame } from '../data/frame-json.ts'
import { checkGeoJson } from '../data/geojson.ts'
import { type PeriodKind, parsePeriod } from '../data/periods.ts'
import type { Cell, FrameJson } from '../data/schema.ts'
import { widthError } from '../data/width.ts'
import { type Issue, validationError } from '../errors.ts'
import { isUlid } from '../kernel/id.ts'
import { parseJson } from '../kernel/json.ts'
import { ulidIssue } from '../kernel/page.ts'
import { show } from '../kernel/show.ts'
import { countPeriods, type Horizon } from './horizon.ts'
import { takeRunInfo } from './run-info.ts'

/** Bytes that have been checked, in the form they are stored in. */
export interface TakenBytes {
  bytes: Uint8Array
  hash: string
  crc32: number
}

export interface TakenFrame extends TakenBytes {
  rows: number
  columns: string[]
  /** Columns in which a cell is neither a number nor null. */
  notNumeric: string[]
  /** The decimal mark of the file that it came from. */
  decimal: DecimalMark
  /** Of each kind of period in it, the first one; the kind is null for text that is none. */
  periods: { row: number; text: string; kind: PeriodKind | null }[]
}

export interface TrainIntake {
  type: 'train'
  configId: string
  data: TakenFrame
  geo: TakenBytes | null
  /** The horizon that the request asks for; null leaves it to the config. */
  asked: Horizon | null
}

export interface PredictIntake {
  type: 'predict'
  artifactId: string
  historic: TakenFrame
  future: TakenFrame
  geo: TakenBytes | null
  /** The horizon that the request asks for; null leaves it to the future frame. */
  asked: Horizon | null
  /** The periods of the future frame, as many as one location has. */
  futurePeriods: number | null
}

export type Intake = TrainIntake | PredictIntake

/**
 * What is to be taken in, as it came. `numeric` are the columns that hold numbers besides the agreed ones, `required` those that a
 * file must have.
 */
export type IntakeRequest =
  | {
      form: 'json'
      type: 'train' | 'predict' | 'by-type'
      body: Uint8Array
      numeric: readonly string[]
    }
  | {
      form: 'csv'
      configId: string
      periods: number | null
      body: Uint8Array
      numeric: readonly string[]
      required: readonly string[]
      dialect: DialectOptions
      periodType: PeriodType
    }
  /** A frame that has been taken in, of which more columns are to hold numbers. `loc` is where it came from. */
  | {
      form: 'frame'
      body: Uint8Array
      numeric: readonly string[]
      loc: readonly string[]
      decimal: DecimalMark
    }

/**
 * Parses and checks the body of a train, predict or validate request and brings its frames into their stored form. A pure
 * function of bytes, so that it can run where nobody waits for it.
 */
export function takeIn(request: IntakeRequest): Intake | TakenFrame {
  if (request.form === 'csv') return takeCsv(request)
  return request.form === 'json' ? takeJson(request) : agreeAgain(request)
}

/** How parameters of a query are named in messages about the file. */
const queryWords: DialectWords = {
  delimiter: (name) => `?delimiter=${name}`,
  decimal: '?decimal=,',
  map: (from, to) => `?map=${encodeURIComponent(from)}=${to}`,
  dateFormat: '?date_format=',
}

function takeCsv(request: Extract<IntakeRequest, { form: 'csv' }>): TrainIntake {
  const { configId, periods, body, numeric, required, dialect, periodType } = request
  const read = readDialect(dialect, periodType)
  const frame = parseCsvFile(body, {
    numeric: new Set(numeric),
    required,
    dialect: read,
    words: queryWords,
  })
  const asked: Horizon | null = periods === null ? null : { periods, source: 'query' }
  const data = toTakenFrame(frame, read.decimal)
  return { type: 'train', configId, data, geo: null, asked }
}

function agreeAgain(request: Extract<IntakeRequest, { form: 'frame' }>): TakenFrame {
  const { body, numeric, loc, decimal } = request
  const frame = JSON.parse(Buffer.from(body).toString()) as FrameJson
  const issues = agreeRows(frame, loc, new Set(numeric), decimal)
  if (issues.length > 0) throw validationError(issues)
  return toTakenFrame(frame)
}

function takeJson(request: Extract<IntakeRequest, { form: 'json' }>): Intake {
  const { type: wanted, body } = request
  const numeric = new Set(request.numeric)
  const value = parseJson(body)
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw validationError([
      { loc: ['body'], msg: `Expected an object, got ${show(value)}`, type: 'object_type' },
    ])
  }
  const fields = value as Record<string, unknown>
  const issues: Issue[] = []
  const type = wanted === 'by-type' ? takeType(fields) : wanted
  const geo = takeGeo(fields.geo, issues)
  const periods = takeRunInfo(fields.run_info, issues)
  const asked: Horizon | null = periods === null ? null : { periods, source: 'run_info' }
  const intake =
    type === 'train'
      ? {
          type,
          configId: takeId(fields, 'config_id', issues),
          data: takeFrame(fields, 'data', numeric, issues),
          geo,
          asked,
        }
      : {
          type,
          artifactId: takeId(fields, 'artifact_id', issues),
          historic: takeFrame(fields, 'historic', numeric, issues),
          future: takeFrame(fields, 'future', numeric, issues),
          geo,
          asked,
          futurePeriods: issues.length > 0 ? null : countPeriods(fields.future as FrameJson),
        }
  if (issues.length > 0) throw validationError(issues)
  return intake as Intake
}

function takeType(fields: Record<string, unknown>): 'train' | 'predict' {
  const { type } = fields
  if (type === 'train' || type === 'predict') return type
  const missing = type === undefined
  throw validationError([
    {
      loc: ['body', 'type'],
      msg: `Expected "train" or "predict", got ${show(type)}`,
      type: missing ? 'union_tag_not_found' : 'union_tag_invalid',
    },
  ])
}

function takeId(fields: Record<string, unknown>, name: string, issues: Issue[]): string {
  // Clients of the older contract name the model of a prediction `model_artifact_id`.
  const alias = name === 'artifact_id' && !(name in fields) && 'model_artifact_id' in fields
  const key = alias ? 'model_artifact_id' : name
  const value = fields[key]
  if (isUlid(value)) return value
  if (value === undefined) {
    issues.push({ loc: ['body', name], msg: 'Expected a ULID, got nothing', type: 'missing' })
  } else {
    issues.push(ulidIssue(['body', key], value))
  }
  return ''
}

function takeFrame(
  fields: Record<string, unknown>,
  name: string,
  numeric: ReadonlySet<string>,
  issues: Issue[],
): TakenFrame | null {
  const checked = checkFrame(fields[name], ['body', name])
  if ('issues' in checked) {
    issues.push(...checked.issues)
    return null
  }
  const msg = widthError(checked.frame.columns)
  if (msg !== null) {
    issues.push({ loc: ['body', name, 'columns'], msg, type: 'too_large' })
    return null
  }
  issues.push(...agreeRows(checked.frame, ['body', name], numeric))
  return issues.length > 0 ? null : toTakenFrame(checked.frame)
}

function takeGeo(value: unknown, issues: Issue[]): TakenBytes | null {
  if (value === undefined || value === null) return null
  const checked = checkGeoJson(value, ['body', 'geo'])
  if ('issues' in checked) {
    issues.push(...checked.issues)
    return null
  }
  return toTaken(JSON.stringify(checked.geo))
}

function toTakenFrame(frame: FrameJson, decimal: DecimalMark = '.'): TakenFrame {
  return {
    decimal,
    ...toTaken(canonicalFrameText(frame)),
    rows: frame.data.length,
    columns: frame.columns,
    periods: firstPeriods(frame),
    notNumeric: frame.columns.filter((_, column) =>
      frame.data.some((row) => row[column] !== null && typeof row[column] !== 'number'),
    ),
  }
}

function firstPeriods({ columns, data }: FrameJson): TakenFrame['periods'] {
  const at = columns.indexOf('time_period')
  const seen = new Set<Cell>()
  const found = new Map<PeriodKind | null, TakenFrame['periods'][number]>()
  for (let row = 0; at >= 0 && row < data.length; row++) {
    const cell = data[row]![at]!
    if (seen.has(cell)) continue
    seen.add(cell)
    const text = String(cell)
    const kind = parsePeriod(text)?.kind ?? null
    if (!found.has(kind)) found.set(kind, { row, text, kind })
  }
  return [...found.values()]
}

function toTaken(text: string): TakenBytes {
  const bytes = new TextEncoder().encode(text)
  return { bytes, hash: createHash('sha256').update(bytes).digest('hex'), crc32: crc32(bytes) }
}
