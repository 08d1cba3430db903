import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Scripts } from '../ml/runner.ts'
import { runVariable } from './leftovers.ts'

/** What a script needs from its surroundings. Everything else stays with the service: it may be a secret. */
const passed =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|LD_LIBRARY_PATH|R_\w+|RENV_PATHS_\w+|PYTHONPATH|PYTHONHOME|VIRTUAL_ENV|CONDA_PREFIX|CONDA_DEFAULT_ENV|UV_CACHE_DIR|UV_PYTHON|UV_OFFLINE|JULIA_DEPOT_PATH|JULIA_PROJECT|JAVA_HOME|CMDSTAN|SSL_CERT_(FILE|DIR)|(OMP|OPENBLAS|MKL|NUMEXPR)_NUM_THREADS|(CUDA|NVIDIA)_VISIBLE_DEVICES)$/

export interface EnvironmentOptions {
  /** Of the service. */
  service: Readonly<Record<string, string | undefined>>
  options: Scripts['environment']
  /** Folder of the scripts; what is installed there is found from the copy, too. */
  project: string
  /** Folder for temporary files of this run. */
  temp: string
  /** Id by which the processes of this run are found. */
  run: string
}

/** The environment of one run of a command. */
export function scriptEnvironment(given: EnvironmentOptions): Record<string, string> {
  const { service, options, project, temp, run } = given
  const wanted = new Set(options.pass)
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(service)) {
    if (value !== undefined && (passed.test(name) || wanted.has(name))) env[name] = value
  }
  // A project's own packages stay where they are, and are used from there.
  const python = join(project, '.venv')
  if (existsSync(join(python, 'bin'))) {
    env.VIRTUAL_ENV = python
    env.PATH = [join(python, 'bin'), env.PATH].filter(Boolean).join(delimiter)
  }
  const r = join(project, 'renv', 'library')
  if (existsSync(r)) env.RENV_PATHS_LIBRARY ??= r
  return {
    // So that lines are seen as they are written, and nothing is left behind in the folder.
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    ...env,
    ...options.set,
    TMPDIR: temp,
    TMP: temp,
    TEMP: temp,
    [runVariable]: run,
  }
}

/** Variables as an author writes them: names to pass on, or names with values. */
export type EnvironmentNames = readonly string[] | Readonly<Record<string, string | true>>

/** Throws when a name is none. */
export function toEnvironment(env: EnvironmentNames = []): Scripts['environment'] {
  const entries: [string, string | true][] = Array.isArray(env)
    ? env.map((name: string) => [name, true])
    : Object.entries(env as Record<string, string | true>)
  for (const [name] of entries) {
    if (!/^[A-Za-z_]\w*$/.test(name))
      throw new Error(`Expected the name of an environment variable in env, got "${name}"`)
  }
  const set = entries.filter((entry): entry is [string, string] => entry[1] !== true)
  return {
    pass: entries.filter(([, value]) => value === true).map(([name]) => name),
    set: Object.fromEntries(set),
  }
}
