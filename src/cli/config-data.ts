import { parse } from 'yaml'
import { decodeText } from '../kernel/text.ts'
import { CommandError } from './exit.ts'
import { readInput } from './files.ts'

export type ConfigData = Record<string, unknown>

/**
 * The data of a config from what is given on a command line, each on top of the one before: `key=value`, whose value is read as
 * YAML (`3`, `true`, `[a, b]`, text); a JSON object; or the name of a JSON or YAML file.
 */
export async function readConfigData(given: readonly string[]): Promise<ConfigData> {
  let data: ConfigData = {}
  for (const text of given) data = { ...data, ...(await readOne(text)) }
  return data
}

async function readOne(text: string): Promise<ConfigData> {
  if (text.trimStart().startsWith('{')) return toObject(text, 'the JSON of the config')
  const assigned = readAssignment(text)
  if (assigned) return { [assigned.key]: assigned.value }
  const bytes = await readInput(text)
  return toObject(readText(bytes, text), text)
}

/** The text of a file that somebody has written. Throws what is wrong with it. */
export function readText(bytes: Uint8Array, name: string): string {
  const decoded = decodeText(bytes)
  if ('problem' in decoded) throw new CommandError(`${name} ${decoded.problem}`)
  return decoded.text
}

/** `key=value`; undefined for anything else. */
export function readAssignment(text: string): { key: string; value: unknown } | undefined {
  const [, key, value = ''] = /^([A-Za-z_][\w.-]*)=(.*)$/s.exec(text) ?? []
  return key === undefined ? undefined : { key, value: readYaml(value, text) }
}

/** Reads an object of YAML, of which JSON is a part. */
export function toObject(text: string, what: string): ConfigData {
  const value = readYaml(text, what)
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new CommandError(
      `Expected ${what} to hold names and values, such as prediction_periods: 3, got ${JSON.stringify(value)?.slice(0, 60)}`,
    )
  }
  return value as ConfigData
}

function readYaml(text: string, what: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    const [first = ''] = (error as Error).message.split('\n')
    throw new CommandError(`${what} is not YAML: ${first.replace(/:$/, '')}`)
  }
}
