import { randomBytes } from 'node:crypto'
import { styleText } from 'node:util'
import { printable, printableJson } from '../kernel/printable.ts'
import { exit } from './exit.ts'

/*
 * The one place that writes to stdout and stderr. Names, lines, errors and answers of services come from others: what a terminal
 * would obey is written out. Colours of our own go through `paint`.
 */

const mark = '|'

export type Colour = Parameters<typeof styleText>[0]

/** Where something is printed: results on stdout, everything else on stderr. */
export type Stream = 'stdout' | 'stderr'

/** Stands for ESC until the text of others has been made harmless; nobody else can know it. */
const ownEscape = `\ue000${randomBytes(8).toString('hex')}\ue001`

/** Colour, where the stream is a terminal that wants it: asks NO_COLOR, NODE_DISABLE_COLORS and FORCE_COLOR, too. */
export function paint(colour: Colour, text: string, stream: Stream = 'stdout'): string {
  // Painted around a mark: an escape in the text itself is none of ours.
  const [before = '', after = ''] = styleText(colour, mark, { stream: process[stream] }).split(mark)
  return `${control(before)}${text}${control(after)}`
}

/** Prints a line of a result. */
export function print(text: string): void {
  write('stdout', `${text}\n`)
}

/** Prints a line beside the results. */
export function say(text: string): void {
  write('stderr', `${text}\n`)
}

/** Prints a line of JSON. Whatever reads it reads the same value. */
export function printJson(json: string): void {
  process.stdout.write(`${printableJson(json)}\n`)
}

/** Prints text without a line break of its own, such as a part of a line. */
export function write(stream: Stream, text: string): void {
  process[stream].write(shown(text))
}

/** Content as it is, to the last byte, where a program reads it; on a terminal as text. */
export async function printContent(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const decoder = new TextDecoder()
  for await (const chunk of chunks) {
    await sent(process.stdout.isTTY ? shown(decoder.decode(chunk, { stream: true })) : chunk)
  }
}

/**
 * The terminal for what moves, and for prompts: it obeys everything. Whoever writes to it makes text of others `printable`
 * first.
 */
export const screen = {
  get isTTY(): boolean {
    return process.stderr.isTTY
  },
  get columns(): number {
    return process.stderr.columns
  },
  write: (text: string): boolean => process.stderr.write(text),
  colour: (bar: string): string => styleText('cyan', bar, { stream: process.stderr }),
  /** For a library that wants the stream itself. */
  stream: (): NodeJS.WriteStream => process.stderr,
}

/** A sequence of our own, such as a colour. */
function control(sequence: string): string {
  return sequence.replaceAll('\u001b', ownEscape)
}

function shown(text: string): string {
  return printable(text).replaceAll(ownEscape, '\u001b')
}

function sent(bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()))
  })
}

let isLasting = false

/**
 * Ends the process when nobody can read what it prints: silently when the reader has gone, as `head` does, with a reason
 * otherwise. Without it such a write ends in a stack trace.
 */
export function guardStreams(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (isLasting) return
    if (error.code === 'EPIPE') process.exit(exit.ok)
    const why = error.code === 'ENOSPC' ? 'its disk is full' : error.message
    say(`chapkit: the output cannot be written: ${why}`)
    process.exit(exit.failed)
  })
  // Nobody can be told.
  process.stderr.on('error', () => {})
}

/** From now on this process is a service: it goes on, whether somebody reads what it prints or not. */
export function outliveReaders(): void {
  isLasting = true
}
