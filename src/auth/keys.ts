import { readFile, stat } from 'node:fs/promises'
import { toError } from '../errors.ts'
import { decodeText } from '../kernel/text.ts'
import type { AuthSpec } from './options.ts'

/** Keys that are shorter can be guessed. */
export const strongLength = 16
const maxLength = 4096
/** Of a file of keys, in bytes: more is some other file. */
const maxFileBytes = 1024 * 1024

interface Found {
  key: unknown
  /** For messages: where the key stands. */
  place: string
}

/**
 * The keys of a service, each once: from the list, else from the file, else from the environment.
 * Throws when there is none, or one that no header can carry. The message says where it looked, and never has a key.
 */
export async function readKeys(
  spec: AuthSpec,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string[]> {
  const { found, place } = await findKeys(spec, environment)
  if (found.length === 0) {
    throw new Error(
      `The service has no API keys, which withAuth() asks for: there is none in ${place}. Give keys as \`apiKeys\`, in a file named by \`apiKeyFile\`, or in ${spec.env.join(' or ')}, separated by commas`,
    )
  }
  for (const { key, place } of found) {
    if (typeof key === 'string' && key.length <= maxLength && /^[\x21-\x7e]+$/.test(key)) continue
    throw new Error(
      `Expected API keys of 1 to ${maxLength} printable ASCII characters without spaces, got something else: ${place}`,
    )
  }
  return [...new Set(found.map(({ key }) => key as string))]
}

async function findKeys(
  { apiKeys, apiKeyFile, env }: AuthSpec,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<{ found: Found[]; place: string }> {
  if (apiKeys !== null) {
    const found = apiKeys.map((key, at) => ({ key, place: `number ${at + 1} of \`apiKeys\`` }))
    return { found, place: 'the list `apiKeys`' }
  }
  if (apiKeyFile !== null) {
    const text = await readKeyFile(apiKeyFile)
    return { found: fromLines(text, apiKeyFile), place: `the file ${apiKeyFile}` }
  }
  const found = env.flatMap((name) => fromList(environment[name] ?? '', name))
  return { found, place: `the environment (${env.join(', ')})` }
}

function fromLines(text: string, file: string): Found[] {
  return text
    .split(/\r\n|\n|\r/)
    .map((line, at) => ({ key: line.trim(), place: `line ${at + 1} of ${file}` }))
    .filter(({ key }) => key !== '' && !key.startsWith('#'))
}

function fromList(text: string, name: string): Found[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map((key, at) => ({ key, place: `number ${at + 1} of ${name}` }))
}

async function readKeyFile(path: string): Promise<string> {
  try {
    // Reading a pipe might never end.
    const status = await stat(path)
    if (!status.isFile()) throw new Error('it is no regular file')
    if (status.size > maxFileBytes) throw new Error(`it has more than ${maxFileBytes} bytes`)
    const decoded = decodeText(await readFile(path))
    if ('problem' in decoded) throw new Error(`it ${decoded.problem}`)
    return decoded.text
  } catch (error) {
    throw new Error(
      `The file of API keys ${path}, which withAuth() names, cannot be read: ${toError(error).message}`,
      { cause: error },
    )
  }
}
