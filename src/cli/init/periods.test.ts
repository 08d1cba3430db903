import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished } from 'vitest'
import { testWith } from '../../../test/setup/needs.ts'
import { calendars, dayText } from '../../data/period-types.ts'
import { parsePeriod } from '../../data/periods.ts'

/*
 * The scripts of templates and examples read the same months and weeks as parsePeriod, in every form, and refuse the rest.
 */

const root = join(import.meta.dirname, '..', '..', '..')
const path = (...names: string[]) => join(root, ...names)

const digits = (number: number) => String(number).padStart(2, '0')
const day = fc.integer({ min: -3653, max: 25_000 })
const months = day.map((at) => {
  const { year, number } = calendars.Monthly.placeOf(calendars.Monthly.indexAt(at))
  return [`${year}-${digits(number)}`, `${year}${digits(number)}`]
})
const marks = {
  Weekly: 'W',
  WeeklyWednesday: 'WedW',
  WeeklyThursday: 'ThuW',
  WeeklyFriday: 'FriW',
  WeeklySaturday: 'SatW',
  WeeklySunday: 'SunW',
} as const
const weeks = fc
  .tuple(fc.constantFrom(...(Object.keys(marks) as (keyof typeof marks)[])), day)
  .map(([type, at]) => {
    const { year, number } = calendars[type].placeOf(calendars[type].indexAt(at))
    const short = `${year}${marks[type]}${number}`
    const long = `${year}${marks[type]}${digits(number)}`
    return type === 'Weekly' ? [short, long, `${year}-W${digits(number)}`] : [short, long]
  })
const chapWeeks = day.map((at) => {
  const { year, number } = calendars.WeeklySundayIso.placeOf(calendars.WeeklySundayIso.indexAt(at))
  return [`${year}-S${digits(number)}`]
})
const ranges = fc
  .tuple(day, fc.constantFrom(6, 6, 6, 5, 7, 27, 28, 29, 30))
  .map(([at, more]) => [`${dayText(at)}/${dayText(at + more)}`])
const monthRanges = day.map((at) => {
  const { firstDay, indexAt } = calendars.Monthly
  const index = indexAt(at)
  return [`${dayText(firstDay(index))}/${dayText(firstDay(index + 1) - 1)}`]
})
const none = [
  ...['2021-W53', '2023-W53', '2024-W00', '2024W0', '2014-S53', '2024SunW53', '2024-13', '202400'],
  ...[
    '2024-02-30/2024-03-06',
    '2024-02-01/2024-02-28',
    '2024-S1x',
    'oops',
    '2024W',
    '2024/01',
    '٢٠٢٤-٠١',
  ],
]
/** The same texts at every run: they are written into a table that a script reads whole. */
const texts = [
  ...fc
    .sample(fc.oneof(months, weeks, chapWeeks, ranges, monthRanges), { seed: 7, numRuns: 300 })
    .flat(),
  ...none,
]

interface Read {
  unit: 'month' | 'week'
  /** The number of the period, from wherever it is counted. */
  index: number
  /** Month 1 to 12, or week 1 to 53, where the script says so. */
  part?: number
}

/** What parsePeriod says, with weeks numbered by the Monday before them, as the scripts do. */
function expected(text: string): Read | null {
  const period = parsePeriod(text)
  if (period?.kind !== 'month' && period?.kind !== 'week') return null
  const first = Date.parse(period.start) / 86_400_000
  if (period.kind === 'month')
    return { unit: 'month', index: period.index, part: (period.index % 12) + 1 }
  const { indexAt, placeOf } = calendars.Weekly
  return { unit: 'week', index: indexAt(first), part: placeOf(indexAt(first + 3)).number }
}

function readWith(command: string, program: string, file: string): (Read | null)[] {
  const folder = mkdtempSync(join(tmpdir(), 'periods-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'texts'), `${texts.join('\n')}\n`)
  writeFileSync(join(folder, 'program'), program)
  const { stdout, stderr } = spawnSync(command, [join(folder, 'program'), file], {
    cwd: folder,
    encoding: 'utf8',
  })
  const lines = stdout.trimEnd().split('\n')
  expect(lines, stderr).toHaveLength(texts.length)
  return lines.map((line) => {
    const [unit, index, part] = line.split(' ')
    if (unit !== 'month' && unit !== 'week') return null
    return { unit, index: Number(index), ...(part !== undefined && { part: Number(part) }) }
  })
}

function expectSame(read: (Read | null)[]) {
  for (const [at, text] of texts.entries()) {
    const want = expected(text)
    const got = read[at]!
    expect(got === null, `${text} is${want === null ? ' no' : ' a'} period`).toBe(want === null)
    if (want === null || got === null) continue
    expect({ text, ...want, ...got }).toEqual({ text, ...want })
  }
}

const template = path('src/cli/templates/r/tables.R')
testWith('Rscript')('the R of the templates reads months and weeks in every form', () => {
  const program = `source(commandArgs(TRUE)[1])
for (text in readLines("texts")) tryCatch({
  read <- read_periods(text)
  weekly <- as.integer(read_days(text)$last - read_days(text)$first) == 6
  part <- round(read$season * ifelse(weekly, 52.18, 12)) + 1
  cat(ifelse(weekly, "week", "month"), read$index, part, "\\n", sep = " ")
}, error = function(e) cat("none\\n"))`
  expectSame(readWith('Rscript', program.replaceAll(' \\n', '\\n'), template))
})

testWith('Rscript')('the R of the examples reads months and weeks in every form', () => {
  const shell = `source(commandArgs(TRUE)[1])
for (text in readLines("texts")) tryCatch({
  read <- read_periods(text, "data.csv")
  cat(paste(read$unit, read$index), "\\n", sep = "")
}, error = function(e) cat("none\\n"))`
  expectSame(readWith('Rscript', shell, path('examples/shell-r/tables.R')))
  const mlproject = `source(commandArgs(TRUE)[1])
for (text in readLines("texts")) tryCatch({
  read <- read_periods(text)
  cat(paste(ifelse(read$parts == 12, "month", "week"), read$year, read$part), "\\n", sep = "")
}, error = function(e) cat("none\\n"))`
  const read = readWith('Rscript', mlproject, path('examples/mlproject-r/common.R'))
  const year = (text: string) => {
    const { kind, start } = parsePeriod(text)!
    const first = Date.parse(start) / 86_400_000
    const { indexAt, placeOf } = calendars.Weekly
    return kind === 'month' ? Number(start.slice(0, 4)) : placeOf(indexAt(first + 3)).year
  }
  // This one has the year in the place of an index.
  const withIndex = read.map((each, at) => {
    if (each === null || expected(texts[at]!) === null) return each
    expect(`${texts[at]} ${each.index}`).toBe(`${texts[at]} ${year(texts[at]!)}`)
    return { ...each, index: expected(texts[at]!)!.index }
  })
  expectSame(withIndex)
})

const mondays = 719_162 / 7
testWith('python3')('the Python of the templates reads months and weeks in every form', () => {
  const program = `import os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
from tables import read_days, read_period
for text in open("texts").read().splitlines():
    try:
        index, season = read_period(text)
        first, last = read_days(text)
        weekly = (last - first).days == 6
        print("week" if weekly else "month", index, round(season * (52.18 if weekly else 12)) + 1)
    except SystemExit:
        print("none")`
  expectSame(
    fromYearOne(readWith('python3', program, path('src/cli/templates/shell-python/tables.py'))),
  )
})

testWith('python3')('the Python of the examples reads months and weeks in every form', () => {
  const program = `import os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
from tables import Period
for text in open("texts").read().splitlines():
    try:
        period = Period(text, "data.csv")
        print("month" if period.parts == 12 else "week", period.index, period.part + 1)
    except SystemExit:
        print("none")`
  for (const name of ['shell-python', 'spatial'])
    expectSame(fromYearOne(readWith('python3', program, path('examples', name, 'tables.py'))))
})

/** Python counts weeks from Monday, 1 January of the year 1; here they count from the one with 1970-01-01. */
function fromYearOne(read: (Read | null)[]): (Read | null)[] {
  const weeks = Math.floor(mondays)
  return read.map((each) => (each?.unit === 'week' ? { ...each, index: each.index - weeks } : each))
}
