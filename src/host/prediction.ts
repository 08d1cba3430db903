import { canonicalFrameText, DataFrame, type FrameJson, withSchema } from '../data/index.ts'
import { toError } from '../errors.ts'
import { show } from '../kernel/show.ts'
import { factsOf } from '../ml/facts.ts'
import { checkForecast } from '../ml/forecast.ts'
import type { FrameFacts } from '../ml/run.ts'
import { WrongResult } from './failure.ts'

/** What `predict` returned, as the frame that is stored. */
function toPrediction(returned: unknown): FrameJson {
  const frame = toFrame(returned)
  const bad = frame.firstNonFinite()
  if (bad) {
    throw new WrongResult(
      `onPredict returned ${frame.get(bad.row, bad.column)} in column \`${bad.column}\`, row ${bad.row}; expected finite numbers, or null where there is none`,
    )
  }
  if (frame.length === 0) {
    throw new WrongResult(
      'onPredict returned a frame without rows; expected a row for each location and period of `future`',
    )
  }
  return frame.toJson()
}

/** A DataFrame, also one of another copy of chapkit, and what can be read as one. */
function toFrame(returned: unknown): DataFrame {
  if (returned instanceof DataFrame) return returned
  const expected = 'expected a DataFrame (or `{ columns, data }`, or an array of records)'
  if (returned === undefined || returned === null) {
    throw new WrongResult(`onPredict returned nothing; ${expected}: is a \`return\` missing?`)
  }
  try {
    if (isRecords(returned)) return DataFrame.fromRecords(returned)
    const json = typeof returned === 'object' && hasToJson(returned) ? returned.toJson() : returned
    if (isFrameJson(json)) return DataFrame.fromJson(json)
  } catch (error) {
    throw new WrongResult(`onPredict returned a frame that is wrong: ${toError(error).message}`)
  }
  throw new WrongResult(`onPredict returned ${show(returned)}; ${expected}`)
}

function hasToJson(value: object): value is { toJson(): unknown } {
  return 'toJson' in value && typeof value.toJson === 'function'
}

function isRecords(value: unknown): value is Record<string, string | number | boolean | null>[] {
  return Array.isArray(value) && value.every((item) => isObject(item))
}

function isFrameJson(value: unknown): value is FrameJson {
  if (!isObject(value) || !Array.isArray(value.columns) || !Array.isArray(value.data)) return false
  const { columns, data } = value
  return (
    columns.every((name) => typeof name === 'string') && data.every((row) => Array.isArray(row))
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What `predict` returned as a forecast of `future`, and what somebody should know of it. */
export function toForecast(
  returned: unknown,
  future: FrameJson,
): { prediction: FrameJson; warnings: string[] } {
  const prediction = toPrediction(returned)
  const { error, warnings } = checkForecast(prediction, future)
  if (error !== null) throw new WrongResult(`onPredict returned another forecast: ${error}`)
  return { prediction, warnings }
}

/**
 * The bytes of a prediction as a host gave them: read, checked and written again, so that what is stored is a frame, and what is
 * said of it is true.
 */
export function readPrediction(
  bytes: Uint8Array,
  future: Uint8Array,
  covariates: readonly string[],
): { frame: Uint8Array<ArrayBuffer>; output: FrameFacts } {
  const { columns, data } = toForecast(parse(bytes), readFrame(future)).prediction
  const prediction = withSchema({ columns, data }, { covariates: [...covariates] })
  const text = canonicalFrameText(prediction)
  return { frame: new TextEncoder().encode(text), output: factsOf(prediction, covariates) }
}

function parse(bytes: Uint8Array): unknown {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    // A schema that came along is made anew.
    return isFrameJson(value) ? { columns: value.columns, data: value.data } : null
  } catch {
    throw new WrongResult('The model host gave a prediction that is no JSON')
  }
}

/** What is kept of a frame that the service itself has stored. */
export function readFacts(bytes: Uint8Array, covariates: readonly string[]): FrameFacts {
  return factsOf(readFrame(bytes), covariates)
}

function readFrame(bytes: Uint8Array): FrameJson {
  return JSON.parse(new TextDecoder().decode(bytes)) as FrameJson
}
