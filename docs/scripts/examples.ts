import { globSync, readFileSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import { block, frontMatter, page, table } from './markdown.ts'

const examples = resolve(import.meta.dirname, '../../examples')

const languages: Readonly<Record<string, string>> = {
  '.ts': 'ts',
  '.R': 'r',
  '.py': 'python',
  '.js': 'js',
  '.html': 'html',
  '.css': 'css',
  '.sh': 'bash',
  '.json': 'json',
  '.yml': 'yaml',
  '.yaml': 'yaml',
}

/** Whether the page of an example shows a file: code, without its tests. */
export function isShown(file: string): boolean {
  if (/node_modules|^data\/|\.test\.ts$|package-lock/.test(file)) return false
  return extname(file) in languages || file === 'MLproject'
}

/** Files of an example that are shown, in the order of its README where that names them. */
export function filesOf(name: string, readme: string): string[] {
  const place = (file: string) => (readme.includes(file) ? readme.indexOf(file) : readme.length)
  return globSync('**/*', { cwd: join(examples, name) })
    .filter(isShown)
    .sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1))
}

/** A page for each example: what its README says, and its files below. */
export function examplePages(): Record<string, string> {
  const names = globSync('*/README.md', { cwd: examples })
    .map((path) => path.split('/')[0]!)
    .sort()
  const readmes = names.map((name) => {
    const text = readFileSync(join(examples, name, 'README.md'), 'utf8')
    const [, title = name] = /^# (.+)$/m.exec(text) ?? []
    return { name, text, title }
  })
  return {
    'index.md': page(
      frontMatter({ order: 0 }),
      '# Examples',
      'Whole services, each with tests. They are in the folder `examples` of the repository.',
      table(
        ['example', 'folder'],
        readmes.map(({ name, title }) => [`[${title}](${name}.md)`, `\`examples/${name}\``]),
      ),
    ),
    ...Object.fromEntries(
      readmes.map(({ name, text }) => [
        `${name}.md`,
        page(
          frontMatter({ source: `../examples/${name}/README.md`, outline: 2 }),
          text.trim(),
          '## Its files',
          ...filesOf(name, text).map((file) => fileSection(name, file)),
        ),
      ]),
    ),
  }
}

/** The address of a file in the page of its example. */
export function fileAnchor(file: string): string {
  return `file-${file.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`
}

function fileSection(name: string, file: string): string {
  const text = readFileSync(join(examples, name, file), 'utf8')
  const language = languages[extname(file)] ?? 'yaml'
  return `### ${file.replaceAll('_', '\\_')} {#${fileAnchor(file)}}\n\n${block(language, text)}`
}
