import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseDocument, stringify } from 'yaml'
import type { ConfigOut } from '../../config/schema.ts'
import { environment } from '../../settings.ts'
import { type ConfigData, readConfigData, readText, toObject } from '../config-data.ts'
import { CommandError, exit } from '../exit.ts'
import { findConfig } from '../find.ts'
import { type Remote, type RemoteOptions, toCommandError, withRemote } from '../remote.ts'

/** Prints the configs of a service. */
export async function configList(options: RemoteOptions): Promise<number> {
  return withRemote(options, async ({ client, output, command }) => {
    const configs = (await client.configs.list()) as ConfigOut[]
    output.result(configs, () =>
      configs.length === 0
        ? `No configs yet. Make one: ${command('config create default')}`
        : output.table(
            [{ title: 'id' }, { title: 'name' }, { title: 'updated' }, { title: 'data' }],
            configs.map(({ id, name, updated_at, data }) => [
              ...[id, name, updated_at.slice(0, 16).replace('T', ' ')],
              shorten(JSON.stringify(data)),
            ]),
          ),
    )
    return exit.ok
  })
}

const shorten = (text: string) => (text.length > 60 ? `${text.slice(0, 59)}…` : text)

export interface ConfigCreateOptions extends RemoteOptions {
  set?: string[]
  data?: string[]
}

/** Makes a config. */
export async function configCreate(name: string, options: ConfigCreateOptions): Promise<number> {
  return withRemote(options, async ({ client, output, command }) => {
    const data = await readConfigData([...(options.data ?? []), ...(options.set ?? [])])
    const config = (await client.configs.create({ name, data })) as ConfigOut
    output.result(config, () =>
      [
        `Made the config '${name}' (${config.id}):`,
        stringify(config.data).trimEnd().replace(/^/gm, '  '),
        `Train with it: ${command(`train DATA.csv --config ${config.id}`)}`,
      ].join('\n'),
    )
    return exit.ok
  })
}

export interface ConfigEditOptions extends RemoteOptions {
  set?: string[]
}

/** Changes a config: the values that are given, or what an editor makes of it. */
export async function configEdit(wanted: string, options: ConfigEditOptions): Promise<number> {
  return withRemote(options, async (remote) => {
    const config = await findConfig(remote, wanted)
    if (options.set) {
      const data = { ...config.data, ...(await readConfigData(options.set)) }
      return store(remote, config, { name: config.name, data })
    }
    return editInEditor(remote, config)
  })
}

interface Edited {
  name: string
  data: ConfigData
}

async function store(
  { client, output }: Remote,
  config: ConfigOut,
  edited: Edited,
): Promise<number> {
  const { id, tags } = config
  const changed = (await client.configs.replace(id, { ...edited, tags })) as ConfigOut
  output.result(changed, () =>
    [
      `Changed the config '${changed.name}' (${id}):`,
      stringify(changed.data).trimEnd().replace(/^/gm, '  '),
    ].join('\n'),
  )
  return exit.ok
}

/** What the service refuses is written into the file, which is opened again: nothing that was typed is lost. */
async function editInEditor(remote: Remote, config: ConfigOut): Promise<number> {
  if (!process.stdin.isTTY) {
    throw new CommandError(
      'There is no terminal for an editor: change values with --set key=value',
      exit.usage,
    )
  }
  const folder = await mkdtemp(join(tmpdir(), 'chapkit-config-'))
  const file = join(folder, 'config.yml')
  const original = stringify({ name: config.name, data: config.data })
  try {
    await writeFile(file, toDraft(original), { mode: 0o600 })
    for (let before = original; ; ) {
      await openEditor(file)
      const text = stripComments(readText(await readFile(file), 'The config'))
      if (text.trim() === before.trim()) {
        remote.output.note('nothing was changed')
        return before === original ? exit.ok : exit.failed
      }
      try {
        return await store(remote, config, parseDraft(text))
      } catch (error) {
        remote.signal.throwIfAborted()
        before = text
        await writeFile(file, toDraft(text, (toCommandError(error, remote.url) as Error).message))
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const help =
  '# The config as YAML. Save and close to store it; close it unchanged to leave it as it was.\n'

function toDraft(text: string, wrong?: string): string {
  const said = wrong === undefined ? '' : `# Not stored: ${wrong.replace(/\n/g, '\n# ')}\n`
  return `${help}${said}${text}`
}

/** Comments on top are ours. */
const stripComments = (text: string) => text.replace(/^(?:#.*\n)+/, '')

function parseDraft(text: string): Edited {
  const { errors } = parseDocument(text)
  if (errors[0]) throw new CommandError(errors[0].message)
  const { name, data, ...rest } = toObject(text, 'the config')
  const unknown = Object.keys(rest)
  if (unknown.length > 0)
    throw new CommandError(`Expected name and data on top, got ${unknown.join(', ')} too`)
  if (typeof name !== 'string') throw new CommandError('Expected a name')
  return { name, data: data === null || data === undefined ? {} : (data as ConfigData) }
}

/** The editor is a command line, such as `code --wait`. */
async function openEditor(file: string): Promise<void> {
  const { VISUAL, EDITOR } = environment()
  const editor = VISUAL || EDITOR || 'vi'
  const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'editor', file], { stdio: 'inherit' })
  const code = await new Promise((done) => {
    child.on('error', () => done(127))
    child.on('exit', done)
  })
  if (code !== 0) {
    throw new CommandError(
      `The editor '${editor}' ended with ${code}: set EDITOR to one that is installed, or use --set key=value. Nothing was changed`,
    )
  }
}
