import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { basename, delimiter, isAbsolute, join } from 'node:path'
import { isProgram } from './program.ts'

/*
 * What a failed command does not say itself, where it is certain: the kernel says "no such file" of a script that is there, and a
 * shell shows what it read of Windows line ends. Looked for only when a command has failed.
 */

export interface HintOptions {
  /** Program and arguments. */
  words: readonly string[]
  /** Folder that the command ran in. */
  folder: string
  /** PATH of the command. */
  path: string
}

/** What is read of a program: the kernel reads no more of its first line. */
const headBytes = 256
/** Largest script that is looked through for its line ends. */
const maximumScript = 1024 * 1024
const shells = /^(ba|da|z|k|a)?sh$/

/** What is wrong with a file that a failed command names, and how to repair it; null where nothing certain can be said. */
export function findHint({ words, folder, path }: HintOptions): string | null {
  const [program = '', ...args] = words
  const own = program.includes('/')
    ? hintOfProgram(program, folder, path)
    : hintOnPath(program, folder, path)
  if (own !== null || !shells.test(basename(program))) return own
  if (args[0] === '-c') return hintOfCode(args[1] ?? '', folder, path)
  const script = args.find((word) => !word.startsWith('-'))
  return script === undefined ? null : hintOfScript(script, folder)
}

/** Programs of the project's own environment may name an interpreter that is not there any more. */
function hintOnPath(program: string, folder: string, path: string): string | null {
  const place = path
    .split(delimiter)
    .map((each) => join(each, program))
    .find((each) => statSync(each, { throwIfNoEntry: false })?.isFile())
  return place === undefined ? null : hintOfProgram(place, folder, path, program)
}

/** Files of the project that a line of shell begins a command with. */
function hintOfCode(code: string, folder: string, path: string): string | null {
  const named = code.match(/(?:^|[\s;&|(])\.?[\w.-]*\/[\w./-]+/g) ?? []
  for (const name of new Set(named.map((word) => word.replace(/^[\s;&|(]/, '')))) {
    const hint = isFile(name, folder) ? hintOfProgram(name, folder, path) : null
    if (hint !== null && readHead(place(name, folder)).startsWith('#!')) return hint
  }
  return null
}

const place = (file: string, folder: string): string =>
  isAbsolute(file) ? file : join(folder, file)

const isFile = (file: string, folder: string): boolean =>
  statSync(place(file, folder), { throwIfNoEntry: false })?.isFile() === true

/** What keeps a file from being started, or from being read by the right program. */
function hintOfProgram(file: string, folder: string, path: string, name = file): string | null {
  const stats = statSync(place(file, folder), { throwIfNoEntry: false })
  if (stats === undefined) return null
  if (stats.isDirectory()) return `"${name}" is a folder`
  if (!isProgram(file, path, folder)) {
    return (stats.mode & 0o111) === 0
      ? `"${name}" may not be executed: make it so with chmod +x ${basename(name)} (git keeps that: git update-index --chmod=+x), or name the program that reads it, such as sh ${name}`
      : `"${name}" may not be executed by this user, or nothing may on its file system (noexec): CHAPKIT_TEMP_DIR names another place for runs`
  }
  const head = readHead(place(file, folder))
  if (head.startsWith('\ufeff#!')) {
    return `"${name}" begins with a byte order mark, so its first line is not seen: save it as UTF-8 without BOM, or sed -i '1s/^\\xEF\\xBB\\xBF//' ${name}`
  }
  if (!head.startsWith('#!')) return null
  const [line = ''] = head.slice(2).split('\n', 1)
  if (/\r[^\r]/.test(line)) {
    return `"${name}" has line ends of old Macs (CR), so all of it is its first line: tr '\\r' '\\n' makes them those of Unix (LF)`
  }
  if (line.endsWith('\r')) return toUnixHint(name, `so it asks for the program "${line.trim()}\\r"`)
  const [interpreter = '', argument] = line.trim().split(/\s+/)
  if (!isProgram(interpreter, path, folder) && existsSync(place(interpreter, folder)))
    return `the first line of "${name}" names "${interpreter}", which is no program that can be started`
  if (!isProgram(interpreter, path, folder))
    return `the first line of "${name}" names "${interpreter}", which is not on this machine: install it, or write #!/usr/bin/env ${basename(interpreter)}`
  if (
    basename(interpreter) === 'env' &&
    argument &&
    /^[\w.+-]+$/.test(argument) &&
    !argument.startsWith('-')
  ) {
    if (!isProgram(argument, path, folder))
      return `the first line of "${name}" names "${argument}", which was not found; is it installed, and in the PATH of the service?`
  }
  return null
}

/** A shell takes a carriage return for a part of the word before it. */
function hintOfScript(file: string, folder: string): string | null {
  const stats = statSync(place(file, folder), { throwIfNoEntry: false })
  if (!stats?.isFile() || stats.size > maximumScript) return null
  const text = readFileSync(place(file, folder), 'latin1')
  const lines = text.split('\n').length - 1
  const windows = text.split('\r\n').length - 1
  return windows > 0 && windows * 2 > lines
    ? toUnixHint(file, 'which a shell takes for parts of words')
    : null
}

const toUnixHint = (name: string, consequence: string): string =>
  `"${name}" has Windows line ends (CR LF), ${consequence}: sed -i 's/\\r$//' ${name} repairs it, and "*.sh text eol=lf" in .gitattributes keeps it so`

function readHead(file: string): string {
  let descriptor: number | undefined
  try {
    descriptor = openSync(file, 'r')
    const bytes = Buffer.alloc(headBytes)
    return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, headBytes, 0))
  } catch {
    // It cannot be read: then nothing certain can be said of it.
    return ''
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
