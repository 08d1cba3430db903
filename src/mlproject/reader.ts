import { isAlias, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'

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
export function createReader(source: string) {
  const lines = new LineCounter()
  const document = parseDocument(source, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    // What is odd is told by whoever reads it.
    logLevel: 'error',
  })
  const problems: Finding[] = []
  const warnings: Finding[] = []
  let root: unknown

  for (const { pos, message } of document.errors)
    problems.push({ line: lines.linePos(pos[0]).line, path: '', text: message })
  if (problems.length === 0) {
    try {
      root = document.toJS({ maxAliasCount: 100 })
    } catch (error) {
      problems.push({ line: 1, path: '', text: (error as Error).message })
    }
  }

  /** Line of the key that a path ends with, or of the deepest one above it that is there. */
  function lineOf(path: Path): number {
    let node: unknown = document.contents
    let offset = (document.contents as Node | null)?.range?.[0] ?? 0
    for (const name of path) {
      if (isAlias(node)) node = node.resolve(document)
      if (!isMap(node)) break
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === name)
      if (!pair) break
      offset = (pair.key as Node).range?.[0] ?? offset
      node = pair.value
    }
    return lines.linePos(offset).line
  }

  const say = (to: Finding[]) => (path: Path, text: string) => {
    to.push({ line: lineOf(path), path: path.join('.'), text })
  }
  const problem = say(problems)
  const warn = say(warnings)

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

  return {
    problems,
    warnings,
    problem,
    warn,
    get,
    read,

    mapping: (path: Path) =>
      read(path, 'a mapping of names to values', (value) => (isMapping(value) ? value : undefined)),

    text: (path: Path) =>
      read(path, 'a text', (value) => (typeof value === 'string' ? value : undefined)),

    flag: (path: Path) => read(path, 'true or false', toFlag),

    texts: (path: Path) =>
      read(path, 'a list of texts', (value) =>
        Array.isArray(value) && value.every((each) => typeof each === 'string')
          ? (value as string[])
          : undefined,
      ),

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

/** A value as a message shows it. */
export function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (isMapping(value)) return 'a mapping'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
