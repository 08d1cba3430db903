import { isAlias, isMap, isScalar, LineCounter, type Node, type Pair, parseDocument } from 'yaml'
import { withPythonNumbers } from './yaml-numbers.ts'

/** Something to say about a place of the file. */
export interface Finding {
  /** Counted from 1. */
  line: number
  /** Names of keys joined by dots; empty for the whole file. */
  path: string
  text: string
}

export type Path = readonly string[]

export type Reader = ReturnType<typeof createReader>

/** Reads values out of a YAML text. What is wrong is collected, with its line, so that everything is told at once. */
export function createReader(text: string) {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    customTags: withPythonNumbers,
    // What is odd is told by whoever reads it.
    logLevel: 'error',
  })
  const keyAt = (offset: number) => /^[^:\n]*/.exec(text.slice(offset))?.[0].trim() ?? ''
  const problems: Finding[] = []
  const warnings: Finding[] = []
  let root: unknown

  for (const { pos, code, message } of document.errors) {
    const { line } = lines.linePos(pos[0])
    // For most readers of YAML the last one counts, and files that were never read by others have it.
    if (code === 'DUPLICATE_KEY')
      warnings.push({ line, path: keyAt(pos[0]), text: 'is there twice; the last one counts' })
    // Further errors follow from the first one.
    else if (problems.length === 0)
      problems.push({ line, path: '', text: syntaxError(code, message) })
  }
  if (problems.length === 0) {
    try {
      const values: unknown = document.toJS({ maxAliasCount: 100 }) ?? null
      // As JSON: numbers without end are no values that a service can have, and what leads to itself is refused.
      root = JSON.parse(JSON.stringify(values))
      warnOfNumbers(values, [], new Set())
    } catch (error) {
      const { message } = error as Error
      const text = message.includes('circular') ? 'an alias leads to itself' : message
      problems.push({ line: 1, path: '', text })
    }
  }

  /** Warns of numbers that become others here. */
  function warnOfNumbers(value: unknown, path: Path, seen: Set<unknown>) {
    if (typeof value === 'number') {
      if (!Number.isFinite(value))
        warn(path, `is ${value}, which no config can have; taken as null`)
      else if (Number.isInteger(value) && !Number.isSafeInteger(value))
        warn(path, `has more digits than a number keeps; taken as ${value}`)
    }
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    for (const [name, each] of Object.entries(value)) warnOfNumbers(each, [...path, name], seen)
  }

  /** The pairs that a path leads through, as far as they are there. */
  function pairsOf(path: Path): Pair[] {
    const pairs: Pair[] = []
    let node: unknown = document.contents
    for (const name of path) {
      if (isAlias(node)) node = node.resolve(document)
      if (!isMap(node)) break
      const pair = node.items.findLast(({ key }) => isScalar(key) && String(key.value) === name)
      if (!pair) break
      pairs.push(pair)
      node = pair.value
    }
    return pairs
  }

  /** Line of the key that a path ends with, or of the deepest one above it that is there. */
  function lineOf(path: Path): number {
    const start = (document.contents as Node | null)?.range?.[0] ?? 0
    const key = pairsOf(path).at(-1)?.key as Node | undefined
    return lines.linePos(key?.range?.[0] ?? start).line
  }

  /** A number or a flag as it is written, `1.10` for one; undefined for anything else. */
  function written(path: Path): string | undefined {
    const pairs = pairsOf(path)
    const node = pairs.length === path.length ? pairs.at(-1)?.value : undefined
    return isScalar(node) && ['number', 'boolean'].includes(typeof node.value)
      ? node.source
      : undefined
  }

  /** Whether a value is a text in quotes, which no reader of YAML takes for anything else. */
  function isQuoted(path: Path): boolean {
    const node = pairsOf(path)[path.length - 1]?.value
    return isScalar(node) && node.type !== 'PLAIN'
  }

  function problem(path: Path, text: string) {
    problems.push({ line: lineOf(path), path: path.map(onOneLine).join('.'), text })
  }

  function warn(path: Path, text: string) {
    warnings.push({ line: lineOf(path), path: path.map(onOneLine).join('.'), text })
  }

  /** A value, undefined where there is none or it is null. */
  function get(path: Path): unknown {
    let value = root
    for (const name of path) {
      if (!isMapping(value) || !Object.hasOwn(value, name)) return undefined
      value = value[name]
    }
    return value ?? undefined
  }

  /** A value that `as` turns into what it is to be, or says undefined to. */
  function read<Value>(path: Path, expected: string, as: (value: unknown) => Value | undefined) {
    const value = get(path)
    if (value === undefined) return undefined
    const found = as(value)
    if (found === undefined) problem(path, `expected ${expected}, got ${show(value)}`)
    return found
  }

  /** Like `read`, of what a model can do without: a value that does not fit is left out with a warning. */
  function offer<Value>(path: Path, expected: string, as: (value: unknown) => Value | undefined) {
    const value = get(path)
    if (value === undefined) return undefined
    const found = as(value)
    if (found === undefined) warn(path, `is left out: expected ${expected}, got ${show(value)}`)
    return found
  }

  return {
    problems,
    warnings,
    problem,
    warn,
    get,
    written,
    isQuoted,
    read,
    offer,

    mapping: (path: Path) =>
      read(path, 'a mapping of names to values', (value) => (isMapping(value) ? value : undefined)),

    text: (path: Path) =>
      read(path, 'a text', (value) => (typeof value === 'string' ? value : undefined)),

    flag: (path: Path) => offer(path, 'true or false', toFlag),

    /** A list of texts; one text alone is a list, too. Entries that are no texts, or empty, are left out with a warning. */
    texts: (path: Path) =>
      offer(path, 'a list of texts', (value) => {
        if (isMapping(value)) return undefined
        return [value].flat().flatMap((each) => {
          const text = ['string', 'number', 'boolean'].includes(typeof each) ? String(each) : ''
          if (text.trim() !== '') return [text]
          warn(path, `${show(each)} is left out: expected a text`)
          return []
        })
      }),

    /** Warns of the keys of a mapping that nobody reads. */
    onlyKnown(path: Path, known: readonly string[]) {
      const value = get(path)
      if (!isMapping(value)) return
      for (const name of Object.keys(value)) {
        if (!known.includes(name)) warn([...path, name], 'is not known and has no effect')
      }
    },
  }
}

/** What is wrong with the YAML of a file, for people who do not know the parser. */
function syntaxError(code: string, message: string): string {
  if (code === 'MULTIPLE_DOCS') return 'expected one document, got another one behind `---`'
  return message.includes('flow-map')
    ? `${message}; a text with braces in it needs quotes`
    : message
}

/** A name as a line of text shows it. */
const onOneLine = (name: string) =>
  name.replace(/\p{Cc}/gu, (each) => JSON.stringify(each).slice(1, -1))

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `yes` and `on` are true for most who write YAML by hand. */
export function toFlag(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value
  if (typeof value !== 'string') return undefined
  if (/^(true|yes|on)$/i.test(value)) return true
  return /^(false|no|off)$/i.test(value) ? false : undefined
}

/** A number, also one in quotes. Anything else stays what it is. */
export function toNumber(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(value))
    return value
  return Number(value)
}

/** A value as a message shows it. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (isMapping(value)) return 'a mapping'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
