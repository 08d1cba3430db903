import { parse } from 'yaml'
import { isMapping } from './reader.ts'

/** Files of a project that say what its commands need: their texts by path. */
export type ProjectFiles = ReadonlyMap<string, string>

/** What an image has to hold so that the commands of a project run. */
export interface Needs {
  r: boolean
  python: boolean
  uv: boolean
  /** Packages of R, as they are named in CRAN. */
  rPackages: string[]
  /** Whether R looks for packages where renv keeps them. */
  renv: boolean
  /** INLA is not in CRAN. */
  inla: boolean
  /** File that `pip` or `uv` installs from. */
  requirements: string | null
  /** What `python_env` names, where there is no such file. */
  pythonPackages: string[]
  /** What has to be installed by hand. */
  notes: string[]
}

/** Whether the text of a file is needed to see what a project needs. */
export function isTelling(path: string): boolean {
  return (
    /\.(R|r|Rmd|qmd)$/.test(path) ||
    /^(renv\.lock|\.Rprofile|requirements\.txt|pyproject\.toml|uv\.lock)$/.test(path) ||
    /^[\w.-]+\.ya?ml$/.test(path)
  )
}

/** Comes with R itself. */
const base = new Set(
  'base compiler datasets graphics grDevices grid methods parallel splines stats stats4 tcltk tools utils'.split(
    ' ',
  ),
)
const packageName = /^[A-Za-z][A-Za-z0-9.]*[A-Za-z0-9]$/

/** What the commands of a project need, by their words and the files of its folder, of which `names` are those on top. */
export function findNeeds(
  commands: readonly string[],
  files: ProjectFiles,
  environmentFiles: readonly string[],
  names: Iterable<string>,
): Needs {
  const notes: string[] = []
  const words = commands.flatMap((command) => command.split(/[\s;|&()"']+/))
  const uses = (pattern: RegExp) => words.some((word) => pattern.test(word))
  const packages = new Set(lockedPackages(files.get('renv.lock'), notes) ?? loaded(files))
  for (const name of base) packages.delete(name)
  const inla = packages.delete('INLA')
  packages.delete('renv')
  const uv = uses(/^uvx?$/)
  const requirements =
    ['requirements.txt', 'pyproject.toml'].find((name) => files.has(name)) ?? null
  const named = {
    r: uses(/(^|\/)(Rscript|R)$|\.[Rr]$/) || files.has('renv.lock'),
    python: uv || uses(/(^|\/)python[\d.]*$|\.py$/) || requirements !== null,
  }
  // A command that only runs a script of the shell, say, does not tell what that one runs.
  const { r, python } = named.r || named.python ? named : scriptsOf(names)
  if (!(named.r || named.python) && (r || python))
    notes.push(
      `the commands name no script of R or Python: the Dockerfile has ${[r && 'R', python && 'Python'].filter(Boolean).join(' and ')} for the scripts in the folder`,
    )
  if (uv)
    notes.push(
      'uv run sets up an environment in every run: where that is slow, name python in service.ts',
    )
  return {
    r,
    python,
    uv,
    rPackages: [...packages].filter((name) => packageName.test(name)).sort(),
    renv: /renv\/activate/.test(files.get('.Rprofile') ?? ''),
    inla,
    requirements,
    pythonPackages:
      requirements === null ? environmentPackages(files, environmentFiles, notes) : [],
    notes,
  }
}

/** Whose scripts are among some files. */
function scriptsOf(names: Iterable<string>): Pick<Needs, 'r' | 'python'> {
  const all = [...names]
  return {
    r: all.some((name) => /\.[Rr]$/.test(name)),
    python: all.some((name) => name.endsWith('.py')),
  }
}

function lockedPackages(text: string | undefined, notes: string[]): string[] | undefined {
  if (text === undefined) return undefined
  try {
    const { Packages: packages } = JSON.parse(text) as { Packages?: Record<string, unknown> }
    for (const [name, entry] of Object.entries(packages ?? {})) {
      const source = isMapping(entry) ? entry.Source : undefined
      if (typeof source === 'string' && source !== 'Repository' && name !== 'INLA')
        notes.push(`renv.lock has ${name} from ${source}: look whether CRAN has it`)
    }
    return Object.keys(packages ?? {})
  } catch {
    notes.push('renv.lock cannot be read: install the packages of R by hand')
    return undefined
  }
}

/** Packages that the scripts load. */
function loaded(files: ProjectFiles): string[] {
  return [...files]
    .filter(([path]) => /\.(R|r|Rmd|qmd)$/.test(path))
    .flatMap(([, text]) => [
      ...text
        .replace(/#.*$/gm, '')
        .matchAll(
          /\b(?:library|require|requireNamespace|loadNamespace)\(\s*["']?([\w.]+)|([A-Za-z][\w.]*):::?\w/g,
        ),
    ])
    .map(([, called, prefix]) => called ?? prefix ?? '')
}

function environmentPackages(files: ProjectFiles, names: readonly string[], notes: string[]) {
  const found: string[] = []
  for (const name of names) {
    const text = files.get(name)
    if (text === undefined) continue
    let content: unknown
    try {
      content = parse(text, { logLevel: 'error' })
    } catch {
      notes.push(`${name} cannot be read: install what it names by hand`)
      continue
    }
    const list = isMapping(content) ? content.dependencies : undefined
    if (!Array.isArray(list)) continue
    for (const each of list) {
      if (
        typeof each === 'string' &&
        /^[A-Za-z0-9][\w.[\]-]*\s*([<>=!~]=?=?[\w.*,<>=!~ ]+)?$/.test(each)
      )
        found.push(each.replaceAll(' ', ''))
      else if (isMapping(each) && Array.isArray(each.pip))
        found.push(...each.pip.filter((pip): pip is string => typeof pip === 'string'))
      else notes.push(`${name}: install ${JSON.stringify(each)} by hand`)
    }
  }
  return found.filter(
    (each) => !/^(python|pip)\b(?!-)/.test(each) && /^[\w.[\],<>=!~*-]+$/.test(each),
  )
}
