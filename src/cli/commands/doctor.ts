import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { findLocale } from '../../script/locale.ts'
import { environment, parseSettings, type Settings } from '../../settings.ts'
import { version } from '../../version.ts'
import {
  checkDataFolder,
  checkLocale,
  checkNode,
  checkPort,
  checkPrograms,
  checkTool,
  type Finding,
  languagesOf,
  tools,
} from '../doctor.ts'
import { exit } from '../exit.ts'
import { type LoadedService, loadService } from '../load.ts'
import { createOutput, type Output } from '../output.ts'

export interface DoctorOptions {
  dataDir?: string
  port?: number
  host?: string
  json?: boolean
}

const usualFile = 'service.ts'

/** Looks for everything that a service needs here. Answers 1 when something is missing. */
export async function doctor(file: string | undefined, options: DoctorOptions): Promise<number> {
  const output = createOutput(options)
  const progress = output.progress('looking')
  const findings: Finding[] = []
  for await (const finding of examine(file, options)) {
    findings.push(finding)
    progress.update({ done: null, text: finding.name })
  }
  progress.end()
  const isWell = findings.every(({ state }) => state !== 'missing')
  output.result({ ok: isWell, chapkit: version, findings }, () => describe(output, findings))
  return isWell ? exit.ok : exit.failed
}

async function* examine(
  file: string | undefined,
  options: DoctorOptions,
): AsyncGenerator<Finding, void> {
  const path = environment().PATH ?? ''
  yield checkNode()

  const settings = readSettings()
  if ('finding' in settings) yield settings.finding
  const { loaded, finding } = await readService(file)
  if (finding) yield finding
  if (loaded) yield* checkPrograms(loaded, path)

  const languages = languagesOf(file === undefined ? '.' : dirname(resolve(file)))
  const because = (isThere: boolean, what: string) => (isThere ? `there are ${what} here` : null)
  const isScripted = loaded?.service.spec.runner?.keeps === 'workspace' || languages.size > 0
  yield checkLocale(await findLocale(environment()), because(isScripted, 'scripts'))
  yield checkTool(tools.R, because(languages.has('.r'), 'R scripts'), path)
  yield checkTool(tools.python, because(languages.has('.py'), 'Python scripts'), path)
  if (process.platform === 'linux') {
    yield checkTool(tools.prlimit, null, path)
    yield checkTool(tools.chattr, null, path)
  }
  yield checkTool(tools.docker, null, path)
  if ('settings' in settings) {
    const { dataDir, port, host } = settings.settings
    yield checkDataFolder(options.dataDir ?? dataDir)
    yield checkPort(options.port ?? port, options.host ?? host)
  }
}

function readSettings(): { settings: Settings } | { finding: Finding } {
  try {
    return { settings: parseSettings(environment()) }
  } catch (error) {
    const about = (error as Error).message.replace(/\n\s*/g, ' ')
    return {
      finding: {
        ...{ name: 'settings', state: 'missing', about },
        remedy: 'correct the variables; docs/reference/settings.md lists them',
      },
    }
  }
}

async function readService(
  file: string | undefined,
): Promise<{ loaded: LoadedService | null; finding: Finding | null }> {
  const name = 'service file'
  if (file === undefined && !existsSync(usualFile)) {
    const about = `there is no ${usualFile} here`
    const remedy = 'make a project with chapkit init NAME, or name the file: chapkit doctor FILE'
    return { loaded: null, finding: { name, state: 'absent', about, remedy } }
  }
  const path = file ?? usualFile
  try {
    const loaded = await loadService(path)
    const { display_name: title } = loaded.service.spec.info
    return { loaded, finding: { name, state: 'ok', about: `${path}: '${title}'`, remedy: null } }
  } catch (error) {
    const about = (error as Error).message
    const remedy = existsSync(path) ? `correct ${path}` : 'name the file that there is'
    return { loaded: null, finding: { name, state: 'missing', about, remedy } }
  }
}

const marks = { ok: 'ok', missing: 'missing', absent: '-' } as const
const colours = { ok: 'green', missing: 'red', absent: 'dim' } as const

function describe(output: Output, findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length))
  const lines = findings.map(({ name, state, about, remedy }) => {
    const mark = output.paint(colours[state], marks[state].padEnd(7))
    const said = about.replace(/\n/g, `\n${' '.repeat(width + 11)}`)
    const hint = remedy === null ? '' : `\n${' '.repeat(width + 11)}→ ${remedy}`
    return `${mark}  ${name.padEnd(width)}  ${said}${state === 'ok' ? '' : hint}`
  })
  const missing = findings.filter(({ state }) => state === 'missing').map(({ name }) => name)
  const end =
    missing.length === 0
      ? 'Everything that is needed is there.'
      : `Missing: ${missing.join(', ')}. What → says gets it.`
  return [...lines, '', end].join('\n')
}
