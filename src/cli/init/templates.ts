/** What a project can be made from. */
export interface Template {
  /** For people who choose. */
  about: string
  /** Folders below `cli/templates` whose files it has, a later one taking the place of an earlier one. */
  folders: readonly string[]
  /** Parts of shared files that are for it. */
  flags: readonly Flag[]
  /** The program that its scripts need, and the package of Debian that has it. */
  needs: { program: string; debian: string } | null
  /** Names of fields of `package.json` that differ. */
  scripts: Readonly<Record<string, string>>
}

/** Conditions in template files: `{{#flag}}`. */
export type Flag = 'ts' | 'r' | 'python' | 'shell' | 'mlproject' | 'validation'

const r = { program: 'Rscript', debian: 'r-base-core' }
const served = {
  dev: 'chapkit dev service.ts',
  start: 'chapkit serve service.ts',
  test: 'node --test',
}

/** Templates by name, in the order in which they are offered. */
export const templates = {
  'fn-ts': {
    about: 'TypeScript, as two functions',
    folders: ['shared', 'service', 'ts', 'fn-ts'],
    flags: ['ts'],
    needs: null,
    scripts: { ...served, types: 'tsc' },
  },
  'class-ts': {
    about: 'TypeScript, as a class with a life of its own in each process',
    folders: ['shared', 'service', 'ts', 'class-ts'],
    flags: ['ts'],
    needs: null,
    scripts: { ...served, types: 'tsc' },
  },
  'shell-r': {
    about: 'R scripts; base R is enough',
    folders: ['shared', 'service', 'scripts', 'r', 'shell-r'],
    flags: ['r', 'shell'],
    needs: r,
    scripts: served,
  },
  'shell-python': {
    about: 'Python scripts; the standard library is enough',
    folders: ['shared', 'service', 'scripts', 'shell-python'],
    flags: ['python', 'shell'],
    needs: { program: 'python3', debian: 'python3' },
    scripts: served,
  },
  mlproject: {
    about: 'R scripts with an MLproject file, which other programs can run as well',
    folders: ['shared', 'scripts', 'r', 'mlproject'],
    flags: ['r', 'mlproject'],
    needs: r,
    scripts: {
      dev: 'chapkit mlproject run . --port 8000 --data-dir data',
      start: 'chapkit mlproject run . --port 8000 --data-dir data',
      test: 'node --test',
    },
  },
} as const satisfies Record<string, Template>

export type TemplateName = keyof typeof templates
export const templateNames = Object.keys(templates) as TemplateName[]

/** The one that needs nothing but Node. */
export const defaultTemplate: TemplateName = 'fn-ts'

/** Whether a template has a place for checks of the data: an MLproject file has none. */
export function takesValidation(name: TemplateName): boolean {
  return (templates[name].folders as readonly string[]).includes('service')
}
