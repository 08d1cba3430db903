import { isEscapedByte, pathToBytes } from '../kernel/path.ts'

/*
 * Names in a zip. A path of Linux may hold what a zip cannot say (bytes that are not UTF-8), what programs that unpack it take
 * for something else (`\`, a drive letter, names of dots and spaces, which Windows may read as `..`), and control
 * characters, which they drop or send to terminals. Where one path of an archive has such a character, all names in it are
 * percent-encoded: those characters byte by byte, and `%` itself, so that different paths keep different names and every
 * path can be told from its name.
 */

/** Said at the end of an archive whose names are encoded. */
export const encodedComment = 'In the names of this archive %XX stands for a byte, and %25 for %.'

const unsafe = /[\\\p{Cc}\p{Cs}]/u
const drive = /^[a-z]:/i
const dotsAndSpaces = /^ *\.[. ]*$/

/** Whether a path can be said as it is. */
export const isPlainPath = (path: string): boolean => path.split('/').every(isPlainPart)

function isPlainPart(part: string): boolean {
  return !unsafe.test(part) && !drive.test(part) && !dotsAndSpaces.test(part)
}

/** The name of a path in an archive whose names are encoded. */
export const encodePath = (path: string): string => path.split('/').map(encodePart).join('/')

/** What a link leads to, with the names that these files have there. */
export const encodeLink = (link: string): string =>
  link
    .split('/')
    .map((part) => (/^\.{0,2}$/.test(part) ? part : encodePart(part)))
    .join('/')

function encodePart(part: string): string {
  if (dotsAndSpaces.test(part)) return Array.from(part, encodeCharacter).join('')
  return Array.from(part, (character, at) => {
    const isDrive = at === 1 && drive.test(part)
    const isSafe = character !== '%' && !isDrive && !unsafe.test(character)
    return isSafe ? character : encodeCharacter(character)
  }).join('')
}

const encodeCharacter = (character: string): string =>
  [...pathToBytes(character)]
    .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('')

/** Whether the bytes of a path can be told from its text. */
export const isWholePath = (path: string): boolean =>
  path.isWellFormed() ||
  Array.from(path).every((character) => character.isWellFormed() || isEscapedByte(character))
