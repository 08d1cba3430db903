/*
 * Text of others on its way to a terminal: names, lines of models, what a server answers. A terminal obeys some characters
 * instead of showing them: it moves, hides, renames, answers as if typed. Here they become something to see.
 */

/**
 * C0 without tab and line feed, DEL and C1; marks that turn or isolate the direction of text; line and paragraph separators;
 * halves of surrogate pairs.
 */
const unprintable =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu

/** Text as it may stand on a terminal: lines and tabs stay, whatever else a terminal obeys is written out, as `\x1b`. */
export function printable(text: string): string {
  // A carriage return before a line feed ends a line, as on Windows.
  return text.replace(/\r\n/g, '\n').replace(unprintable, escaped)
}

/** JSON as it may stand on a terminal: it stays JSON, and of the same value. */
export function printableJson(json: string): string {
  return json.replace(unprintable, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, '0')
    return `\\u${code}`
  })
}

function escaped(character: string): string {
  const code = character.charCodeAt(0)
  return code < 256
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`
}
