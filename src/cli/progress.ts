import type { Clock } from '../kernel/clock.ts'
import { toText, widthOf } from './table.ts'

/** What a command writes progress to: `process.stderr`, or what stands for it. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
  /** Colours the bar, where colours are wanted. */
  colour?(bar: string): string
}

export interface Step {
  /** From 0 to 1; null when nobody knows. */
  done: number | null
  text?: string
}

/** Shows how far something is: a bar on a terminal, a line now and then elsewhere. */
export interface Progress {
  update(step: Step): void
  /** Says what begins now: a line of its own where there is no bar. */
  stage(text: string): void
  /** Writes a line that stays, above the bar. */
  line(text: string): void
  /** Takes the bar away. Nothing is shown after it. */
  end(): void
}

/** Nobody watches. */
export const silent: Progress = { update() {}, stage() {}, line() {}, end() {} }

/** Plain lines are at least this far apart: logs of a build are read later, by people. */
const pacePlainMs = 5000
/** What is over sooner needs none. */
const quietMs = 1000
/** The bar shows seconds, so it moves between updates too. */
const paceBarMs = 200

export function createProgress(title: string, screen: Screen, now: Clock): Progress {
  return screen.isTTY ? createBar(title, screen, now) : createLines(title, screen, now)
}

function createLines(title: string, screen: Screen, now: Clock): Progress {
  let last = now() + quietMs - pacePlainMs
  let said = ''
  let waiting: NodeJS.Timeout | undefined
  const say = (line: string) => {
    waiting = undefined
    if (line === said) return
    last = now()
    said = line
    screen.write(`chapkit: ${toText(line)}\n`)
  }
  return {
    update({ done, text }) {
      const line = [title, done !== null && percent(done), text].filter(Boolean).join(': ')
      clearTimeout(waiting)
      const early = last + pacePlainMs - now()
      if (early <= 0) return say(line)
      // Nothing may come for long after it.
      waiting = setTimeout(say, early, line)
      waiting.unref()
    },
    stage: (text) => void screen.write(`chapkit: ${toText(text)}\n`),
    line: (text) => void screen.write(`${toText(text)}\n`),
    end: () => clearTimeout(waiting),
  }
}

function createBar(title: string, screen: Screen, now: Clock): Progress {
  const start = now()
  let step: Step = { done: null }
  let drawn = false
  const clear = () => {
    if (drawn) screen.write('\r\u001b[2K')
    drawn = false
  }
  const draw = () => {
    clear()
    const line = toBar(title, step, { elapsedMs: now() - start, columns: screen.columns || 80 })
    screen.write(line.replace(/[█░]+/, (bar) => screen.colour?.(bar) ?? bar))
    drawn = true
  }
  const timer = setInterval(draw, paceBarMs)
  timer.unref()
  draw()
  return {
    update(next) {
      step = next
    },
    stage(text) {
      step = { done: null, text }
    },
    line(text) {
      clear()
      screen.write(`${toText(text)}\n`)
      draw()
    },
    end() {
      clearInterval(timer)
      clear()
    },
  }
}

const barWidth = 24

/** One line of a bar, never wider than the terminal. */
export function toBar(
  title: string,
  { done, text = '' }: Step,
  { elapsedMs, columns }: { elapsedMs: number; columns: number },
): string {
  const filled = done === null ? null : Math.round(Math.min(1, Math.max(0, done)) * barWidth)
  const bar =
    filled === null ? moving(elapsedMs) : '█'.repeat(filled) + '░'.repeat(barWidth - filled)
  const facts = [done !== null && percent(done), clock(elapsedMs), toText(text)]
    .filter(Boolean)
    .join('  ')
  return cut(`${toText(title)}  ${bar}  ${facts}`, columns - 1)
}

/** A piece that runs through the bar, where nobody knows how far it is. */
function moving(elapsedMs: number): string {
  const piece = 6
  const at = Math.floor(elapsedMs / paceBarMs) % (barWidth - piece + 1)
  return '░'.repeat(at) + '█'.repeat(piece) + '░'.repeat(barWidth - piece - at)
}

function percent(done: number): string {
  return `${Math.floor(Math.min(1, Math.max(0, done)) * 100)} %`
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let kept = ''
  for (const char of text) {
    if (widthOf(kept + char) >= columns) break
    kept += char
  }
  return `${kept}…`
}
