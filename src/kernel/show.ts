/** A value as it may stand in a message: short, on one line, its kind named where it is not plain. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  const text = JSON.stringify(value) ?? String(value)
  const short = text.length > 80 ? `${text.slice(0, 77)}…` : text
  if (Array.isArray(value)) return `an array ${short}`
  if (value !== null && typeof value === 'object') return `an object ${short}`
  return short
}
