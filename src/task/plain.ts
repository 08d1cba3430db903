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
export function toPlain(value: unknown, at: string): unknown {
  return read(value, [at], 0)
}

type Path = (string | number)[]

/** `path` leads to the value: one array for all of them, which becomes text only for a message. */
function read(value: unknown, path: Path, depth: number): unknown {
  if (depth > maximumDepth) refuse(path, `more than ${maximumDepth} levels, or a circle`)
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? value : refuse(path, 'half of a surrogate pair')
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : refuse(path, String(value))
    case 'object':
      break
    default:
      return refuse(path, show(value))
  }
  if (value === null) return null
  if (Array.isArray(value)) return value.map((each, index) => readMember(each, index, path, depth))
  for (const name of ['toJSON', 'toJson'] as const) {
    const convert = (value as Record<string, unknown>)[name]
    if (typeof convert === 'function') return read(convert.call(value), path, depth + 1)
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    refuse(path, `a ${value.constructor?.name ?? 'class'}; make an object or an array of it`)
  const entries = Object.entries(value)
    .filter(([, each]) => each !== undefined)
    .map(([key, each]) => [key, readMember(each, key, path, depth)])
  return Object.fromEntries(entries)
}

function readMember(value: unknown, part: string | number, path: Path, depth: number): unknown {
  path.push(part)
  const member = read(value, path, depth + 1)
  path.pop()
  return member
}

function refuse([first, ...parts]: Path, what: string): never {
  const rest = parts.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`))
  throw new NotPlain(
    `Expected plain data, as JSON has it, at \`${first}${rest.join('')}\`; got ${what}`,
  )
}
