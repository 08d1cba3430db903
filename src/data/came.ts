import { show } from '../kernel/show.ts'

/**
 * What came, for a message about a value of unknown size: nested ones are counted, not written out. Writing them
 * would cost as much as the body is long, and overflow the stack on a body nested deeply on purpose.
 */
export function came(value: unknown): string {
  if (typeof value !== 'object' || value === null) return show(value)
  if (!Array.isArray(value)) return 'an object'
  return value.length <= 4 && value.every(isPlain) ? show(value) : `an array of ${value.length}`
}

function isPlain(value: unknown): boolean {
  return typeof value !== 'object' || value === null
}
