/*
 * JSON values as YAML that every parser reads alike: those of YAML 1.1 (PyYAML, R's yaml) and those of 1.2. The library that
 * reads YAML here writes for 1.2 only, where `NO`, `1:30` and `1e-7` need no quotes, no dot and no sign.
 */

export interface YamlOptions {
  /** Writes the keys of every object in their order. @default false */
  sortKeys?: boolean
}

/** Longest key before a colon: parsers look no further than 1024 characters for it. */
const longestKey = 1000
/** Largest whole number that R has: its parser makes `NA` of larger ones, unless they are written with a fraction. */
const largestInteger = 2 ** 31 - 1

/**
 * Writes what JSON can hold. As there, members that are undefined are left out, and what is no number is null. Half of a
 * surrogate pair, which UTF-8 cannot hold, becomes U+FFFD.
 */
export function toYaml(value: unknown, { sortKeys = false }: YamlOptions = {}): string {
  return `${isFilled(value) ? block(value, '').trimStart() : toScalar(value)}\n`

  /** The lines of a list or an object, without the last line break. */
  function block(value: object, indent: string): string {
    if (Array.isArray(value)) return value.map((item) => entry(item, '-', indent)).join('\n')
    const entries = membersOf(value)
    if (sortKeys) entries.sort(([a], [b]) => (a < b ? -1 : 1))
    return entries.map(([key, item]) => entry(item, toKey(key, indent), indent)).join('\n')
  }

  function entry(item: unknown, lead: string, indent: string): string {
    if (!isFilled(item)) return `${indent}${lead} ${toScalar(item)}`
    const inner = block(item, `${indent}  `)
    // What is in a list begins on the line of its dash.
    return lead === '-' ? `${indent}- ${inner.trimStart()}` : `${indent}${lead}\n${inner}`
  }
}

const membersOf = (value: object): [string, unknown][] =>
  Object.entries(value).filter(([, item]) => item !== undefined)

/** Whether a value has lines of its own. */
function isFilled(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  return Array.isArray(value) ? value.length > 0 : membersOf(value).length > 0
}

function toKey(key: string, indent: string): string {
  const text = toText(key)
  return text.length > longestKey ? `? ${text}\n${indent}:` : `${text}:`
}

function toScalar(value: unknown): string {
  if (typeof value === 'string') return toText(value)
  if (typeof value === 'number') return toNumber(value)
  if (typeof value === 'boolean') return String(value)
  if (typeof value !== 'object' || value === null) return 'null'
  return Array.isArray(value) ? '[]' : '{}'
}

/** Words that some parser takes for something else than text (`e5` for a number), in any case of their letters. */
const reserved = /^(y|n|yes|no|on|off|t|f|true|false|null|nil|none|nan|inf|infinity|na|e[-\d._]+)$/i
const plain = /^[A-Za-z/](?:[\w./ -]*[\w./-])?$/

/** Only what looks like a name, a path or words is written without quotes. */
function toText(text: string): string {
  if (plain.test(text) && !reserved.test(text)) return text
  return JSON.stringify(text.toWellFormed()).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** YAML 1.1 has numbers with an exponent only where they have a dot and a sign as well. */
function toNumber(value: number): string {
  if (!Number.isFinite(value)) return 'null'
  if (Object.is(value, -0)) return '-0.0'
  if (Number.isInteger(value) && Math.abs(value) <= largestInteger) return String(value)
  const [digits = '', exponent] = String(value).split('e')
  const fraction = digits.includes('.') ? digits : `${digits}.0`
  return exponent === undefined ? fraction : `${fraction}e${exponent}`
}
