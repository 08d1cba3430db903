/*
 * Numbers that are written with digits, and what a double keeps of them: one rule for JSON, CSV and Parquet.
 */

/**
 * Whether a double keeps what a text says. Below 2^53 the nearest double does. Beyond, digits that are written out must all be
 * there when it is written again: `100000000000000000000` is 1e20, `9007199254740993` is no double. An exponent says that the
 * number is the nearest one.
 */
export function isKept(text: string, number: number): boolean {
  if (Math.abs(number) <= Number.MAX_SAFE_INTEGER) return true
  if (!Number.isFinite(number)) return false
  return /e/i.test(text) || hasAllDigits(text, number)
}

/** Whether a number, which is the nearest one to a text without exponent, has exactly its digits. */
export function hasAllDigits(text: string, number: number): boolean {
  const [integer = '', fraction = ''] = text.replace(/^[+-]/, '').split('.')
  const digits = `${integer}${fraction}`.replace(/^0+/, '').replace(/0+$/, '')
  // Every decimal of fifteen digits comes back from a double, and none of more than seventeen.
  if (digits.length <= 15) return true
  return digits.length <= 17 && digits === digitsOf(number)
}

/** The significant digits of the shortest text of a number. */
function digitsOf(number: number): string {
  const [mantissa = ''] = Math.abs(number).toExponential().split('e')
  return mantissa.replace('.', '')
}
