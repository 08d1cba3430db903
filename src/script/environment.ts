import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Scripts } from '../ml/runner.ts'
import { runVariable } from './leftovers.ts'
import type { ScriptLocale } from './locale.ts'

/**
 * What a script needs from its surroundings. Everything else stays with the service: it may be a secret. The locale is not here:
 * it is chosen, see `locale.ts`.
 */
const passed =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LOCPATH|LOCALE_ARCHIVE|LD_LIBRARY_PATH|R_\w+|RENV_PATHS_\w+|PYTHONPATH|PYTHONHOME|VIRTUAL_ENV|CONDA_PREFIX|CONDA_DEFAULT_ENV|UV_CACHE_DIR|UV_PYTHON|UV_OFFLINE|JULIA_DEPOT_PATH|JULIA_PROJECT|JAVA_HOME|CMDSTAN|SSL_CERT_(FILE|DIR)|(CUDA|NVIDIA)_VISIBLE_DEVICES)$/

/**
 * What changes the numbers that a script computes: threads and kernels of libraries (their order of additions), seeds of hashes,
 * zone and date, and the locale, by which texts are sorted. None of them is a secret: they are handed on, and kept in the lineage.
 */
const numeric =
  /^((OMP|GOMP|KMP|OPENBLAS|GOTO|MKL|BLIS|VECLIB|ACCELERATE|NUMEXPR|NUMBA|NPY|JULIA_NUM|RCPP_PARALLEL|R_DATATABLE|STAN_NUM|RAYON_NUM|ARROW_NUM|POLARS_MAX|TBB_NUM)_\w+|MC_CORES|PYTHONHASHSEED|CUBLAS_WORKSPACE_CONFIG|TF_(DETERMINISTIC_OPS|ENABLE_ONEDNN_OPTS|NUM_\w+_THREADS)|XLA_FLAGS|TZ|SOURCE_DATE_EPOCH|LANG|LANGUAGE|LC_[A-Z]+|R_(ENABLE_JIT|DEFAULT_PACKAGES))$/

/** What changes which packages a script loads; values are folders of this machine, which clients are not told. */
const packages =
  /^(R_(LIBS|LIBS_USER|LIBS_SITE|HOME|PROFILE|PROFILE_USER|ENVIRON|ENVIRON_USER)|RENV_PATHS_\w+|PYTHONPATH|PYTHONHOME|VIRTUAL_ENV|CONDA_PREFIX|JULIA_DEPOT_PATH|JULIA_PROJECT|LD_LIBRARY_PATH|CMDSTAN)$/

export interface EnvironmentOptions {
  /** Of the service. */
  service: Readonly<Record<string, string | undefined>>
  /** Variables of the locale; those of the service are not used. */
  locale: ScriptLocale['variables']
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
  const { service, locale, options, project, temp, run } = given
  const wanted = new Set(options.pass)
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(service)) {
    if (value === undefined || isLocale(name)) continue
    if (wanted.has(name) || passed.test(name) || numeric.test(name)) env[name] = value
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
    ...locale,
    ...env,
    ...options.set,
    TMPDIR: temp,
    TMP: temp,
    TEMP: temp,
    [runVariable]: run,
  }
}

const isLocale = (name: string): boolean => /^(LANG|LANGUAGE|LC_[A-Z]+)$/.test(name)

/** Of the environment of a run, what its result may depend on: for the lineage. */
export interface EnvironmentRecord {
  /** Those that change numbers, with their values. */
  variables: Record<string, string>
  /** Others by name only, as their values may be secrets: those that the author hands on, and folders of packages. */
  names: string[]
}

export function recordEnvironment(
  env: Readonly<Record<string, string>>,
  { pass, set }: Scripts['environment'],
): EnvironmentRecord {
  const authors = new Set([...pass, ...Object.keys(set)])
  const entries = Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    variables: Object.fromEntries(entries.filter(([name]) => numeric.test(name))),
    names: entries
      .map(([name]) => name)
      .filter((name) => !numeric.test(name) && (authors.has(name) || packages.test(name))),
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
