/**
 * Whether a file can hold this text unchanged, for every program that reads it: UTF-8 has no halves of surrogate pairs, and R
 * ends a text at NUL without an error.
 */
export function isFileText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

/** Finds the first text or name in a JSON value that no file can hold, and its path; null if there is none. */
export function findBadText(value: unknown): { path: (string | number)[]; text: string } | null {
  if (typeof value === 'string') return isFileText(value) ? null : { path: [], text: value }
  if (typeof value !== 'object' || value === null) return null
  const isList = Array.isArray(value)
  for (const [key, item] of Object.entries(value)) {
    if (!isFileText(key)) return { path: [key], text: key }
    const found = findBadText(item)
    if (found) return { path: [isList ? Number(key) : key, ...found.path], text: found.text }
  }
  return null
}

/** What such a text is called in messages. */
export const fileText = 'well-formed Unicode text without NUL'

/** Text, or why bytes are none. */
export type DecodedText = { text: string } | { problem: string }

/**
 * The text of a file that people write: UTF-8, with or without a byte order mark, or UTF-16 with one, as editors and PowerShell
 * of Windows write it. Anything else is a problem, told as the end of a sentence about the file: text that is taken for
 * other text than it is says something else, or nothing.
 */
export function decodeText(bytes: Uint8Array): DecodedText {
  const encoding = encodingOf(bytes)
  let text: string
  try {
    // Fatal: a replacement character would be other text. The byte order mark is taken away.
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    return {
      problem:
        encoding === 'utf-8'
          ? `is not UTF-8 (line ${firstBadLine(bytes)}); save it as UTF-8`
          : 'begins as UTF-16, and is not; save it as UTF-8',
    }
  }
  if (text.includes('\0')) {
    return {
      problem:
        'holds zero bytes, as UTF-16 without a byte order mark or a binary file does; save it as UTF-8',
    }
  }
  return { text }
}

function encodingOf([first, second]: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
}

/** Number of the line, from 1, with the first bytes that are not UTF-8. */
function firstBadLine(bytes: Uint8Array): number {
  let line = 1
  for (let at = 0; at < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, at)
    const next = end === -1 ? bytes.length : end + 1
    const part = Buffer.from(bytes.subarray(at, next))
    if (!Buffer.from(part.toString()).equals(part)) return line
    at = next
  }
  return line
}
