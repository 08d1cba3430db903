/*
 * Paths of files as text. On Linux a path is bytes, mostly but not always UTF-8. Here a byte that is not part of valid UTF-8
 * is a lone surrogate, U+DC80 to U+DCFF, as in Python (PEP 383): every path has one text, and every such text one path.
 */

const escapedFrom = 0xdc00

/** The text of a path. */
export function pathFromBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = buffer.toString()
  if (!text.includes('\ufffd') || Buffer.from(text).equals(buffer)) return text
  let path = ''
  for (let at = 0; at < buffer.length; ) {
    const character = characterAt(buffer, at)
    path += character ?? String.fromCharCode(escapedFrom + buffer[at]!)
    at += character === undefined ? 1 : Buffer.byteLength(character)
  }
  return path
}

/** The character whose UTF-8 begins at an index, if one does. */
function characterAt(buffer: Buffer, at: number): string | undefined {
  for (let length = 1; length <= 4 && at + length <= buffer.length; length++) {
    const bytes = buffer.subarray(at, at + length)
    const text = bytes.toString()
    if (Buffer.from(text).equals(bytes)) return text
  }
  return undefined
}

/** The bytes of a path. */
export function pathToBytes(path: string): Buffer {
  if (path.isWellFormed()) return Buffer.from(path)
  return Buffer.concat(
    Array.from(path, (character) =>
      isEscapedByte(character)
        ? Buffer.of(character.charCodeAt(0) - escapedFrom)
        : Buffer.from(character),
    ),
  )
}

/** Whether this is a byte that is not part of valid UTF-8. */
export const isEscapedByte = (character: string): boolean => /^[\udc80-\udcff]$/.test(character)

/** A path below a folder, as `node:fs` takes it: text where that says it, else bytes. */
export function systemPath(folder: string, path: string): string | Buffer {
  const whole = path === '' ? folder : `${folder}/${path}`
  return whole.isWellFormed() ? whole : pathToBytes(whole)
}

/** Characters of a path that a message shows. */
const shownLength = 120

/** A path as it may stand in a message: quoted, on one line, without control characters, bytes as `\xE9`. */
export function showPath(path: string): string {
  const end = path.length > shownLength ? `…${path.slice(-shownLength)}` : path
  const shown = Array.from(end, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`
    if (isEscapedByte(character) || /^[\p{Cc}\p{Cs}]$/u.test(character)) return hex(character)
    // Marks of direction, and others that are not seen.
    if (/^[\p{Cf}\p{Zl}\p{Zp}]$/u.test(character))
      return `\\u{${character.codePointAt(0)!.toString(16)}}`
    return character
  })
  return `"${shown.join('')}"`
}

const hex = (character: string) =>
  [...pathToBytes(character)]
    .map((byte) => `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('')
