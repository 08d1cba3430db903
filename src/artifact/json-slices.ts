import { setImmediate as nextTurn } from 'node:timers/promises'

/** Bytes that are parsed before everybody else on this thread has a turn: a few milliseconds. */
const usualSlice = 256 * 1024

const quote = 34
const comma = 44
const backslash = 92

type Container = unknown[] | Record<string, unknown>

/**
 * The value that JSON bytes say, as `JSON.stringify` writes them. Of what is large the parts are parsed one after the other, down to
 * those that are a slice at most; only a text is one part, however long.
 */
export async function readJsonInSlices(
  bytes: Uint8Array,
  sliceBytes: number = usualSlice,
): Promise<unknown> {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (text.length <= sliceBytes) return JSON.parse(text.toString())
  const open: { container: Container; key: string | number }[] = []
  let root: unknown
  let spent = 0
  for (let at = 0; at < text.length; ) {
    if (spent >= sliceBytes) {
      spent = 0
      await nextTurn()
    }
    const inside = open.at(-1)
    if (text[at] === comma) at++
    else if (inside && isClosing(text[at])) {
      open.pop()
      at++
      continue
    }
    if (inside && !Array.isArray(inside.container)) {
      const end = endOfText(text, at)
      inside.key = JSON.parse(text.toString('utf8', at, end)) as string
      at = end + 1
    }
    const end = endOfValue(text, at, sliceBytes)
    spent += (end ?? at + sliceBytes) - at
    const value: unknown =
      end === null ? (text[at] === 91 ? [] : {}) : JSON.parse(text.toString('utf8', at, end))
    if (!inside) root = value
    else if (Array.isArray(inside.container)) inside.container.push(value)
    else setMember(inside.container, inside.key, value)
    if (end === null) open.push({ container: value as Container, key: '' })
    at = end ?? at + 1
  }
  return root
}

/** As JSON.parse does, also where the key is `__proto__`. */
function setMember(object: Record<string, unknown>, key: string | number, value: unknown): void {
  if (key !== '__proto__') object[key] = value
  else {
    const property = { value, writable: true, enumerable: true, configurable: true }
    Object.defineProperty(object, key, property)
  }
}

const isOpening = (byte: number | undefined) => byte === 91 || byte === 123
const isClosing = (byte: number | undefined) => byte === 93 || byte === 125

/** The place behind a value; null for an array or an object of more than `most` bytes. */
function endOfValue(text: Buffer, start: number, most: number): number | null {
  if (text[start] === quote) return endOfText(text, start)
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const byte = text[at]
    if (byte === quote) at = endOfText(text, at) - 1
    else if (isOpening(byte)) depth++
    else if (depth === 0 && (byte === comma || isClosing(byte))) return at
    else if (isClosing(byte) && --depth === 0) return at + 1
    if (depth > 0 && at - start > most) return null
  }
  return text.length
}

/** The place behind a text. */
function endOfText(text: Buffer, start: number): number {
  for (let at = text.indexOf(quote, start + 1); ; at = text.indexOf(quote, at + 1)) {
    let slashes = 0
    while (text[at - 1 - slashes] === backslash) slashes++
    if (slashes % 2 === 0) return at + 1
  }
}
