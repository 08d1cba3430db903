import { type DataFrame, type Diagnostic, parsePeriod } from 'chapkit'

/** What the model reads besides the past counts. */
export const weather = ['rainfall', 'mean_temperature'] as const
export type Weather = (typeof weather)[number]

/** Months with a known count that a location needs: two turns of the season. */
const fewestMonths = 24

const keys = ['time_period', 'location']
const trainingColumns = [...keys, 'disease_cases', 'population', ...weather]
const futureColumns = [...keys, 'population', ...weather]

/** What stands against training with `data` (errors), and what its author may want to know (warnings). */
export function checkTraining(data: DataFrame): Diagnostic[] {
  const unreadable = [...checkColumns(data, trainingColumns, 'data')]
  if (unreadable.length > 0) return unreadable
  const misplaced = checkKeys(data, 'data')
  if (misplaced.length > 0) return misplaced
  return [...checkLocations(data), ...checkWeather(data)]
}

/** What stands against forecasting `future` from `historic`. Unknown values are no reason, missing columns are. */
export function checkForecast(historic: DataFrame, future: DataFrame): Diagnostic[] {
  const frames = [
    { frame: historic, field: 'historic', columns: trainingColumns },
    { frame: future, field: 'future', columns: futureColumns },
  ]
  if (future.length === 0)
    return [error('future_empty', 'There are no months to forecast', 'future')]
  return frames
    .filter(({ frame }) => frame.length > 0)
    .flatMap(({ frame, field, columns }) => {
      const unreadable = [...checkColumns(frame, columns, field)]
      return unreadable.length > 0 ? unreadable : checkKeys(frame, field)
    })
}

/** Throws the first error among findings, for callers that did not ask before. */
export function refuse(findings: readonly Diagnostic[]): void {
  const found = findings.find(({ severity }) => severity === 'error')
  if (found) throw new Error(found.message)
}

/** A month as a number: the next month has the next one, and January is a multiple of 12. Null for anything else. */
export function monthOf(text: string | null): number | null {
  const period = text === null ? null : parsePeriod(text)
  return period?.kind === 'month' ? period.index : null
}

function checkColumns(frame: DataFrame, columns: readonly string[], field: string): Diagnostic[] {
  const missing = columns.filter((name) => !frame.has(name))
  if (missing.length === 0) return []
  const has = frame.columns.join(', ') || 'no columns'
  return [
    error(
      'columns_missing',
      `Expected the columns ${columns.join(', ')} in ${field}; missing: ${missing.join(', ')} (it has ${has})`,
      field,
    ),
  ]
}

/** Every row must say which month of which location it is, and none may be there twice. */
function checkKeys(frame: DataFrame, field: string): Diagnostic[] {
  const periods = frame.strings('time_period')
  const locations = frame.strings('location')
  const seen = new Set<string>()
  for (const [row, text] of periods.entries()) {
    const month = monthOf(text)
    if (month === null) {
      const message = `Expected months such as 2024-01 in time_period of ${field}, got '${text}' in row ${row}`
      return [error('not_monthly', message, field)]
    }
    const location = locations[row] ?? null
    if (location === null) {
      return [error('location_missing', `Row ${row} of ${field} has no location`, field)]
    }
    const key = `${month} ${location}`
    if (seen.has(key)) {
      const message = `Location ${location} has the month ${text} twice in ${field}`
      return [error('month_twice', message, field)]
    }
    seen.add(key)
  }
  return []
}

function checkLocations(data: DataFrame): Diagnostic[] {
  const short: string[] = []
  for (const group of data.groupBy('location')) {
    const location = group.strings('location')[0]
    const cases = group.numbers('disease_cases')
    if (cases.some((value) => value < 0)) {
      const message = `Location ${location} has a count below 0 in disease_cases`
      return [error('negative_cases', message, 'data')]
    }
    const people = group.numbers('population').filter((value) => !Number.isNaN(value))
    if (people.length === 0 || people.some((value) => value <= 0)) {
      const message = `Location ${location} needs a population above 0`
      return [error('population_missing', message, 'data')]
    }
    const known = cases.filter((value) => !Number.isNaN(value)).length
    if (known < fewestMonths) short.push(`${location} has ${known}`)
  }
  if (short.length === 0) return []
  const message = `Expected at least ${fewestMonths} months with known disease_cases for each location; ${list(short)}`
  return [error('series_too_short', message, 'data')]
}

function checkWeather(data: DataFrame): Diagnostic[] {
  return weather
    .filter((name) => !varies(data.numbers(name)))
    .map((name) => ({
      severity: 'warning',
      code: 'covariate_constant',
      message: `${name} never changes in these data, so it cannot tell the model anything; it is left out`,
      field: 'data',
    }))
}

export function varies(values: Float64Array): boolean {
  const known = values.filter((value) => !Number.isNaN(value))
  return known.some((value) => value !== known[0])
}

function list(items: readonly string[]): string {
  const more = items.length > 5 ? ` and ${items.length - 5} more` : ''
  return items.slice(0, 5).join(', ') + more
}

function error(code: string, message: string, field: string): Diagnostic {
  return { severity: 'error', code, message: message.slice(0, 2048), field }
}
