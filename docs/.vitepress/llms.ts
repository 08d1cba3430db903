import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { settings } from './settings.ts'
import { generatedParts, readParts, readTitle, toLink } from './sidebar.ts'

const docs = resolve(import.meta.dirname, '..')

/** `llms.txt`, an index of the pages, and `llms-full.txt`, all of them in one file: for programs that read, and for grep. */
export function writeTexts(outDir: string): void {
  const parts = [
    ...readParts(),
    ...generatedParts.map(({ title, folder }) => ({
      title,
      pages: globSync(`api/${folder}/**/*.md`, { cwd: docs })
        .sort()
        .map((path) => ({ title: readTitle(path), path, about: '' })),
    })),
  ]
  const index = parts.map(({ title, pages }) =>
    [
      `## ${title}\n`,
      ...pages.map(
        ({ title, path, about }) => `- [${title}](${toUrl(path)})${about && `: ${plain(about)}`}`,
      ),
    ].join('\n'),
  )
  const intro =
    '# chapkit\n\n> Turns a forecasting model in R, Python or TypeScript into a production web service from one file.\n'
  writeFileSync(join(outDir, 'llms.txt'), `${[intro, ...index].join('\n\n')}\n`)

  const pages = parts.flatMap(({ pages }) =>
    pages.map(({ path }) => `<!-- ${toUrl(path)} -->\n\n${readText(path)}`),
  )
  writeFileSync(join(outDir, 'llms-full.txt'), `${[intro, ...pages].join('\n\n')}\n`)
}

const toUrl = (path: string) => `${settings.base.replace(/\/$/, '')}${toLink(path)}`
const plain = (markdown: string) => markdown.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')

/** The text of a page, without its front matter, with the files that it includes. */
function readText(path: string): string {
  return readFileSync(join(docs, path), 'utf8')
    .replace(/^---\n.*?\n---\n/s, '')
    .replace(/<!-- ?@include: ?(\S+?) ?-->/g, (_, file: string) =>
      readFileSync(join(docs, dirname(path), file), 'utf8'),
    )
    .trim()
}
