/**
 * A value as it may stand in a message: short, on one line, its kind named where it is not plain. Nested values are counted,
 * not written out: that would cost as much as a body is long.
 */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'string')
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value)
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value)
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  if (!Array.isArray(value)) return 'an object'
  const isShort =
    value.length <= 4 && value.every((each) => typeof each !== 'object' || each === null)
  return isShort ? `[${value.map(show).join(', ')}]` : `an array of ${value.length}`
}

/** Names that a message lists. */
const listed = 20

/** Names as they may stand in a message: the first ones, and how many more there are. */
export function showNames(names: readonly string[]): string {
  const more = names.length > listed ? ` and ${names.length - listed} more` : ''
  return `${names.slice(0, listed).map(show).join(', ')}${more}`
}
