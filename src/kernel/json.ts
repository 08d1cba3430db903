import { ChapkitError } from '../errors.ts'
import { isKept } from './decimal.ts'

/** A value that JSON can say. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/** Deeper nesting than any honest document has; keeps recursive readers safe. */
export const maximumDepth = 64

const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype'])

export interface JsonLimits {
  /** Members that one object may have. @default any number */
  maximumKeys?: number
}

/**
 * Parses a JSON document the strict way: UTF-8 without errors, no duplicate or prototype keys, at most
 * {@link maximumDepth} levels, no number that would change its value on the way in, no object with more members than wanted.
 * Throws `invalid-json` (400) with the line and column.
 */
export function parseJson(
  bytes: Uint8Array,
  { maximumKeys = Number.POSITIVE_INFINITY }: JsonLimits = {},
): unknown {
  const text = decodeUtf8(bytes)
  // First: 64 MB of opening brackets would hold JSON.parse for seconds, and gigabytes.
  assertStrict(text, maximumKeys)
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ChapkitError('invalid-json', describeSyntaxError(text, error))
  }
}

/** UTF-8 bytes as text; a byte order mark is dropped. Throws `invalid-json` (400) on invalid sequences. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new ChapkitError(
      'invalid-json',
      'Expected UTF-8 text, got bytes that are not valid UTF-8',
    )
  }
}

function describeSyntaxError(text: string, error: unknown): string {
  if (text.trim() === '') return 'Expected a JSON document, got an empty body'
  const message = error instanceof Error ? error.message : ''
  // V8's message quotes the input; only the place is passed on.
  const said = /at position (\d+)/.exec(message)?.[1]
  const position = said === undefined ? findSyntaxError(text) : Number(said)
  if (position === undefined) return 'Expected a JSON document, got text that is not JSON'
  if (position >= text.trimEnd().length) return 'Expected a JSON document, got one that ends early'
  return `Expected a JSON document, got a syntax error at ${place(text, position)}`
}

/** Above this length the place of an error is not looked for. */
const searchedLength = 64 * 1024
const token =
  /[ \t\n\r]*(?:("(?:[^"\\]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)|([{}[\],:]))/y

/** Where text stops being JSON. V8 says so for some errors only. */
function findSyntaxError(text: string): number | undefined {
  if (text.length > searchedLength) return undefined
  const open: string[] = []
  let expected = 'value'
  token.lastIndex = 0
  for (;;) {
    const before = token.lastIndex
    const blanks = /^[ \t\n\r]*/.exec(text.slice(before))?.[0].length ?? 0
    const [, string, scalar, mark = ''] = token.exec(text) ?? []
    const isValue = expected.startsWith('value')
    if (string !== undefined && expected.startsWith('key')) expected = 'colon'
    else if ((string ?? scalar) !== undefined && isValue)
      expected = open.length > 0 ? 'more' : 'end'
    else if (mark === ':' && expected === 'colon') expected = 'value'
    else if (mark === ',' && expected === 'more') expected = open.at(-1) === '{' ? 'key' : 'value'
    else if ((mark === '{' || mark === '[') && isValue) {
      open.push(mark)
      expected = mark === '{' ? 'key or }' : 'value or ]'
    } else if (mark !== '' && (expected === 'more' || expected.endsWith(mark))) {
      const opened = open.pop()
      if (opened !== (mark === '}' ? '{' : '[')) return before + blanks
      expected = open.length > 0 ? 'more' : 'end'
    } else return before + blanks
  }
}

function place(text: string, position: number): string {
  const before = text.slice(0, position)
  const line = before.split('\n').length
  return `line ${line}, column ${position - before.lastIndexOf('\n')}`
}

const QUOTE = 34
const OPEN_OBJECT = 123
const CLOSE_OBJECT = 125
const OPEN_ARRAY = 91
const CLOSE_ARRAY = 93
const COMMA = 44
const COLON = 58
const CAPITAL_I = 73
const CAPITAL_N = 78

/** One pass over the text, looking for what JSON.parse accepts and we do not. What is no JSON at all is left to JSON.parse. */
function assertStrict(text: string, maximumKeys: number): void {
  // Per open bracket: the keys seen so far, or null for an array.
  const open: (Set<string> | null)[] = []
  let expectsKey = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      const end = closingQuote(text, at)
      if (end === -1) return
      if (expectsKey) {
        assertKey(open.at(-1), text, at, end, maximumKeys)
        expectsKey = false
      }
      at = end
    } else if (code === COMMA) {
      expectsKey = open.length > 0 && open[open.length - 1] !== null
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      open.push(code === OPEN_OBJECT ? new Set() : null)
      expectsKey = code === OPEN_OBJECT
      if (open.length > maximumDepth) {
        throw new ChapkitError(
          'invalid-json',
          `Expected at most ${maximumDepth} levels of nesting, got more at ${place(text, at)}`,
        )
      }
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      open.pop()
      expectsKey = false
    } else if ((code >= 48 && code <= 57) || code === 45) {
      at = numberEnd(text, at) - 1
    } else if (code === COLON) {
      expectsKey = false
    } else if (code === CAPITAL_I || code === CAPITAL_N) {
      const [word] = /^(?:NaN|Infinity|None)\b/.exec(text.slice(at, at + 9)) ?? []
      if (word !== undefined) throw notJson(word, text, at)
    }
  }
}

/** What Python and JavaScript write for no value, and is no JSON. */
function notJson(word: string, text: string, at: number): ChapkitError {
  return new ChapkitError(
    'invalid-json',
    `Expected a JSON document, got ${word} at ${place(text, at)}; write null where there is no value`,
  )
}

function closingQuote(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0
  while (text.charCodeAt(at - 1 - slashes) === 92) slashes++
  return slashes % 2 === 1
}

function assertKey(
  keys: Set<string> | null | undefined,
  text: string,
  start: number,
  end: number,
  maximumKeys: number,
) {
  const raw = text.slice(start + 1, end)
  const key = raw.includes('\\') ? unescaped(raw) : raw
  if (key === undefined) return
  if (forbiddenKeys.has(key)) {
    throw new ChapkitError(
      'invalid-json',
      `The key "${key}" is not allowed, at ${place(text, start)}`,
    )
  }
  if (keys?.has(key)) {
    const shown = key.slice(0, 60)
    throw new ChapkitError('invalid-json', `Duplicate key "${shown}" at ${place(text, start)}`)
  }
  keys?.add(key)
  if (keys && keys.size > maximumKeys) {
    throw new ChapkitError(
      'validation-failed',
      `Expected at most ${maximumKeys} members in an object, got more at ${place(text, start)}`,
    )
  }
}

function unescaped(raw: string): string | undefined {
  try {
    return JSON.parse(`"${raw}"`) as string
  } catch {
    return undefined
  }
}

/** Where the number that begins at `start` ends. One whose digits JSON.parse does not keep is refused. */
function numberEnd(text: string, start: number): number {
  let end = start + 1
  let plain = true
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end)
    if (code >= 48 && code <= 57) continue
    if (code === 46 || code === 101 || code === 69 || code === 43 || code === 45) plain = false
    else break
  }
  // Fifteen digits always fit; only longer ones and exponents need a look.
  if (end - start > 15 || !plain) {
    const literal = text.slice(start, end)
    const value = Number(literal)
    // Dashes and dots that are no number are left to JSON.parse.
    if (Number.isNaN(value)) return end
    if (!isKept(literal, value)) {
      throw new ChapkitError(
        'validation-failed',
        `The number ${literal.slice(0, 40)} at ${place(text, start)} does not fit a double; send it as a string`,
      )
    }
  }
  return end
}
