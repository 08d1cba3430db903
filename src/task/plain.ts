import { maximumDepth } from '../kernel/json.ts'
import { show } from '../kernel/show.ts'

/** Data that cannot go from one process to the other. */
export class NotPlain extends Error {
  override readonly name = 'NotPlain'
}

/**
 * A value as JSON has it: what crosses between a task function and its service. What says itself what it is in JSON (a Date, a
 * DataFrame) does so; members that are undefined are left out. Throws for anything that would arrive as something else, and
 * names the place.
 */
export function toPlain(value: unknown, at: string, depth = 0): unknown {
  const refuse = (what: string): never => {
    throw new NotPlain(`Expected plain data, as JSON has it, at \`${at}\`; got ${what}`)
  }
  if (depth > maximumDepth) refuse(`more than ${maximumDepth} levels, or a circle`)
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? value : refuse('half of a surrogate pair')
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : refuse(String(value))
    case 'object':
      break
    default:
      return refuse(show(value))
  }
  if (value === null) return null
  if (Array.isArray(value))
    return value.map((each, index) => toPlain(each, `${at}[${index}]`, depth + 1))
  for (const name of ['toJSON', 'toJson'] as const) {
    const convert = (value as Record<string, unknown>)[name]
    if (typeof convert === 'function') return toPlain(convert.call(value), at, depth + 1)
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    refuse(`a ${value.constructor?.name ?? 'class'}; make an object or an array of it`)
  const entries = Object.entries(value)
    .filter(([, each]) => each !== undefined)
    .map(([key, each]) => [key, toPlain(each, `${at}.${key}`, depth + 1)])
  return Object.fromEntries(entries)
}
