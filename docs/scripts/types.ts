import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Application, type ProjectReflection, ReflectionKind, type TypeDocOptions } from 'typedoc'
import { code, page } from './markdown.ts'

const root = resolve(import.meta.dirname, '../..')

/** Doors of the package that one may import from, as package.json names them: `chapkit`, `chapkit/testing`, … */
export function doors(): { name: string; file: string }[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { 'chapkit-source'?: string }>
  }
  return Object.entries(exports).flatMap(([door, target]) => {
    const file = typeof target === 'string' ? undefined : target['chapkit-source']
    return file ? [{ name: door.replace(/^\./, 'chapkit'), file: join(root, file) }] : []
  })
}

/** Reads the public types, and writes a page for each exported name into `folder`. */
export async function writeTypes(folder: string): Promise<ProjectReflection> {
  const app = await Application.bootstrapWithPlugins({
    ...options,
    entryPoints: doors().map(({ file }) => file),
    outputs: [{ name: 'markdown', path: folder }],
    ...markdownOptions,
  })
  const project = await app.convert()
  if (!project) throw new Error('The types cannot be read: see what is printed above')
  await app.generateOutputs(project)
  if (app.logger.hasErrors()) throw new Error('The pages of the types cannot be written')
  return project
}

const options: TypeDocOptions = {
  tsconfig: join(root, 'tsconfig.json'),
  plugin: ['typedoc-plugin-markdown'],
  readme: 'none',
  // The folder is emptied by who calls; another one must never be.
  cleanOutputDir: false,
  disableSources: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeInternal: true,
  excludeExternals: true,
  // `npm run types` has checked them, with the compiler of the package.
  skipErrorChecking: true,
  logLevel: 'Error',
}

/** Options of the plugin, of which typedoc's own types know nothing. */
const markdownOptions = {
  entryFileName: 'index',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  useHTMLEncodedBrackets: true,
  sanitizeComments: true,
  indexFormat: 'table',
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  classPropertiesFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  propertyMembersFormat: 'table',
  typeDeclarationFormat: 'table',
  pageTitleTemplates: {
    index: 'Types',
    member: ({ name }: { name: string }) => name.replace(/(\\?<|&lt;|\().*/s, ''),
    module: ({ rawName }: { rawName: string }) => moduleTitle(rawName),
  },
} as object

/** Where the plugin puts the pages of a kind. */
const folders: Readonly<Partial<Record<ReflectionKind, string>>> = {
  [ReflectionKind.Class]: 'classes',
  [ReflectionKind.Interface]: 'interfaces',
  [ReflectionKind.TypeAlias]: 'type-aliases',
  [ReflectionKind.Variable]: 'variables',
  [ReflectionKind.Function]: 'functions',
}

/** The page that leads to the others: what each door of the package has. */
export function typesIndex(project: ProjectReflection): string {
  const modules = project.children ?? []
  return page(
    '# Types',
    'Every name that can be imported, with its types, made from the sources.',
    ...modules
      .toSorted((a, b) => (moduleTitle(a.name) < moduleTitle(b.name) ? -1 : 1))
      .flatMap((module) => [
        `## [${moduleTitle(module.name)}](${module.name}/index.md)`,
        (module.children ?? [])
          .toSorted((a, b) => a.name.localeCompare(b.name))
          .map(({ name, kind }) => `[${code(name)}](${module.name}/${folders[kind]}/${name}.md)`)
          .join(', '),
      ]),
  )
}

/** The door that a module of the sources is: `testing` is `chapkit/testing`. */
export function moduleTitle(name: string): string {
  const found = doors().find(
    ({ file }) => file.endsWith(`/${name}.ts`) || file.endsWith(`/${name}/index.ts`),
  )
  return found?.name ?? name
}
