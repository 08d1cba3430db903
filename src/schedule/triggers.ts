import { Cron } from 'croner'
import { type Issue, validationError } from '../errors.ts'
import { toTimestamp } from '../kernel/clock.ts'
import { show } from '../kernel/show.ts'
import type { Trigger, TriggerIn } from './schema.ts'

const longestIntervalSeconds = 10 * 366 * 86_400

export interface TriggerOptions {
  now: number
  /** Where the trigger stands in what came. */
  loc: Issue['loc']
  /** What it was so far: an anchor that is not said stays, and an instant that is not changed may have passed. */
  known?: Trigger | undefined
}

/** The members of each type of trigger; the first has to be there. */
const members = {
  cron: ['expression', 'zone'],
  interval: ['every', 'anchor'],
  once: ['at'],
} as const

/** A trigger as it is kept. Throws `validation-failed` with what was expected and what came. */
export function parseTrigger(trigger: TriggerIn, options: TriggerOptions): Trigger {
  const { type } = trigger
  const { loc } = options
  const known: readonly string[] = members[type]
  for (const name of Object.values(members).flat()) {
    if (trigger[name] === undefined || trigger[name] === null || known.includes(name)) continue
    throw refused(
      [...loc, name],
      `Expected only ${known.map((each) => `\`${each}\``).join(' and ')} for a trigger of type "${type}", got \`${name}\``,
      'unexpected_member',
    )
  }
  const [needed] = members[type]
  if (trigger[needed] === undefined) {
    throw refused(
      [...loc, needed],
      `Expected \`${needed}\` for a trigger of type "${type}", got nothing`,
      'missing',
    )
  }
  const { expression = '', zone = 'UTC', every = 0, anchor = null, at = '' } = trigger
  switch (type) {
    case 'cron':
      return parseCron(expression, zone, options)
    case 'interval':
      return parseInterval(every, anchor, options)
    case 'once':
      return parseOnce(at, options)
  }
}

/**
 * The reader of an expression; it has no timer. Lists and ranges of hours count as fixed times, as in Vixie cron: an hour that
 * comes twice is one slot.
 */
export function toCron(expression: string, zone: string): Cron {
  return new Cron(expression, {
    paused: true,
    timezone: zone,
    mode: '5-or-6-parts',
    fixedTimeRule: 'no-wildcard',
  })
}

function parseCron(raw: string, zone: string, { now, loc }: TriggerOptions): Trigger {
  const expression = raw.trim().replaceAll(/\s+/g, ' ')
  if (!isZone(zone)) {
    throw refused(
      [...loc, 'zone'],
      `Expected an IANA time zone such as "Africa/Kigali" or "UTC", got ${show(zone)}`,
      'time_zone',
    )
  }
  const refuse = (why: string) =>
    refused(
      [...loc, 'expression'],
      `Expected a cron expression such as "0 3 * * *" (minute hour day month weekday), got ${show(raw)}: ${why}`,
      'cron_expression',
    )
  let cron: Cron
  try {
    cron = toCron(expression, zone)
  } catch (error) {
    throw refuse(toReason(error))
  }
  if (!cron.nextRun(new Date(now))) throw refuse('it names no date that ever comes')
  return { type: 'cron', expression, zone }
}

/** What the reader found, without its own name before it. */
function toReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  if (/exactly five/.test(text)) return 'it has not five or six fields'
  const reason = text.replace(/^CronPattern: /, '')
  return reason.charAt(0).toLowerCase() + reason.slice(1)
}

/** A name that the time zone database knows; offsets such as `+02:00` are none. */
function isZone(zone: string): boolean {
  if (!/^[A-Za-z]/.test(zone)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
    return true
  } catch {
    return false
  }
}

function parseInterval(
  every: number | string,
  anchor: string | null,
  { now, loc, known }: TriggerOptions,
): Trigger {
  const seconds = typeof every === 'number' ? every : parseDuration(every)
  if (seconds === undefined || seconds < 1 || seconds > longestIntervalSeconds) {
    throw refused(
      [...loc, 'every'],
      `Expected whole seconds from 1, or an ISO 8601 duration of weeks, days, hours, minutes and seconds such as "PT15M", got ${show(every)}`,
      'duration',
    )
  }
  const said = anchor === null ? undefined : parseInstant(anchor)
  if (anchor !== null && said === undefined) throw notAnInstant([...loc, 'anchor'], anchor)
  const kept = known?.type === 'interval' ? known.anchor : undefined
  return {
    type: 'interval',
    every: seconds,
    anchor: said === undefined ? (kept ?? toTimestamp(now)) : toTimestamp(said),
  }
}

function parseOnce(at: string, { now, loc, known }: TriggerOptions): Trigger {
  const instant = parseInstant(at)
  if (instant === undefined) throw notAnInstant([...loc, 'at'], at)
  const trigger: Trigger = { type: 'once', at: toTimestamp(instant) }
  if (instant <= now && !(known?.type === 'once' && known.at === trigger.at)) {
    throw refused(
      [...loc, 'at'],
      `Expected an instant after now (${toTimestamp(now)}), got ${show(at)}`,
      'future_instant',
    )
  }
  return trigger
}

/** Seconds of an ISO 8601 duration. Months and years have no fixed length: they are for cron. */
function parseDuration(text: string): number | undefined {
  const found =
    /^P(?=\d|T\d)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(text)
  if (!found) return undefined
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = found
    .slice(1)
    .map((part) => Number(part ?? 0))
  return (((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds
}

const instantPattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/

/** An instant of the four-digit years that timestamps can hold; its offset has to be said. */
function parseInstant(text: string): number | undefined {
  const found = instantPattern.exec(text)
  if (!found) return undefined
  const [, year, month, day] = found.map(Number)
  // The platform reads 30 February as 2 March.
  const days = new Date(Date.UTC(year as number, month as number, 0)).getUTCDate()
  const at = Date.parse(text)
  if ((day as number) > days || Number.isNaN(at)) return undefined
  return at >= 0 && at < Date.UTC(9999, 0) ? at : undefined
}

function notAnInstant(loc: Issue['loc'], came: string) {
  return refused(
    loc,
    `Expected an instant with its offset such as "2026-05-01T06:00:00+02:00", got ${show(came)}`,
    'instant',
  )
}

function refused(loc: Issue['loc'], msg: string, type: string) {
  return validationError([{ loc, msg, type }])
}
