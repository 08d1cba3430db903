import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { render } from './render.ts'
import { makeSampleData, type PeriodType } from './sample-data.ts'
import { type Template, type TemplateName, takesValidation, templates } from './templates.ts'

/** What a project is to be. */
export interface ProjectChoice {
  name: string
  title: string
  template: TemplateName
  period: PeriodType
  validation: boolean
}

export interface PlanOptions extends ProjectChoice {
  /** Version range, or file, that the project gets chapkit from. */
  chapkit: string
}

/** Files of a project: paths below its folder, and their texts. */
export type ProjectFiles = ReadonlyMap<string, string>

/** npm leaves files with these names out of packages, or reads them itself. */
const dotted = ['gitignore', 'dockerignore', 'chapkitignore']

/** Files that belong into folders of their own. */
const placed: Readonly<Record<string, string>> = { 'publish.yml': '.github/workflows/publish.yml' }

const templateFolder = join(import.meta.dirname, '..', 'templates')

/** The workflow that publishes the image of a project. */
export const readWorkflow = () =>
  readFileSync(join(templateFolder, 'shared', 'publish.yml'), 'utf8')

/** Every file of a project that is to be made. */
export function planProject(options: PlanOptions): ProjectFiles {
  const template: Template = templates[options.template]
  const withValidation = options.validation && takesValidation(options.template)
  const weekly = options.period === 'weekly'
  const values = {
    id: options.name,
    title: options.title,
    template: options.template,
    period: options.period,
    unit: weekly ? 'week' : 'month',
    // The end of a sentence on what is needed.
    program: template.needs === null ? '' : ` and \`${template.needs.program}\``,
  }
  const flags = new Set<string>([...template.flags, ...(withValidation ? ['validation'] : [])])
  const files = new Map<string, string>()
  for (const folder of template.folders) {
    for (const name of readdirSync(join(templateFolder, folder)).sort()) {
      if (name === 'validation.ts' && !withValidation) continue
      const text = readFileSync(join(templateFolder, folder, name), 'utf8')
      const path = placed[name] ?? (dotted.includes(name) ? `.${name}` : name)
      // Its braces are those of GitHub.
      files.set(path, name in placed ? text : render(path, text, { values, flags }))
    }
  }
  files.set('package.json', toPackageFile(options, template))
  for (const [name, text] of Object.entries(makeSampleData(options.period)))
    files.set(`sample/${name}`, text)
  return files
}

function toPackageFile(
  { name, title, chapkit }: PlanOptions,
  { scripts, flags }: Template,
): string {
  const isTyped = flags.includes('ts')
  const content = {
    ...{ name, version: '0.1.0', private: true, description: title, type: 'module' },
    engines: { node: '>=24' },
    scripts,
    dependencies: { chapkit, ...(!flags.includes('mlproject') && { zod: '^4.0.0' }) },
    devDependencies: { '@types/node': '^24.0.0', ...(isTyped && { typescript: '^7.0.0' }) },
    // It comes built, but has a file that npm takes for a reason to build it.
    allowScripts: { 'better-sqlite3': false },
  }
  return `${JSON.stringify(content, null, 2)}\n`
}
