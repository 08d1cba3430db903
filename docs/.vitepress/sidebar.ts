import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { DefaultTheme } from 'vitepress'

const docs = resolve(import.meta.dirname, '..')

/** Parts of `docs/README.md`, which lists every page in the order in which one would read them. */
export interface Part {
  title: string
  pages: { title: string; path: string; about: string }[]
}

/** The pages as `docs/README.md` lists them; a page that it does not list comes last in the part of its folder. */
export function readParts(): Part[] {
  const index = readFileSync(join(docs, 'README.md'), 'utf8')
  const parts = index
    .split(/^## /m)
    .slice(1)
    .map((text) => ({
      title: text.slice(0, text.indexOf('\n')),
      pages: [...text.matchAll(/^\| \[([^\]]+)\]\(([\w/-]+\.md)\) \| (.*?) \|$/gm)].map(
        ([, title = '', path = '', about = '']) => ({ title, path, about }),
      ),
    }))
    .filter(({ pages }) => pages.length > 0)
  for (const path of unlisted(parts)) {
    const part = parts.find(({ pages }) =>
      pages.some((page) => folderOf(page.path) === folderOf(path)),
    )
    const page = { title: readTitle(path), path, about: '' }
    if (part) part.pages.push(page)
    else parts.push({ title: folderOf(path), pages: [page] })
  }
  return parts
}

/** Pages that nobody has listed yet. */
function unlisted(parts: readonly Part[]): string[] {
  const listed = new Set(parts.flatMap(({ pages }) => pages.map(({ path }) => path)))
  return globSync('*/*.md', { cwd: docs, exclude: ['api/*', 'node_modules/*', 'scripts/*'] })
    .filter((path) => !listed.has(path))
    .sort()
}

const folderOf = (path: string) => path.slice(0, path.indexOf('/'))

/** The first heading of a page. */
export function readTitle(path: string): string {
  const [, title] = /^# (.+)$/m.exec(readFileSync(join(docs, path), 'utf8')) ?? []
  return title?.replace(/[`\\]/g, '') ?? path
}

/** Where a page is on the site. */
export const toLink = (path: string): string => `/${path.replace(/(index|README)?\.md$/, '')}`

/** Parts that are unfolded at first. */
const open = ['Start', 'Guides']

export function guideSidebar(): DefaultTheme.SidebarItem[] {
  return readParts().map(({ title, pages }) => ({
    text: title,
    collapsed: !open.includes(title),
    items: pages.map(({ title, path }) => ({ text: title, link: toLink(path) })),
  }))
}

export function apiSidebar(): DefaultTheme.SidebarItem[] {
  return generatedParts.map(({ title, folder, collapsed }) => ({
    text: title,
    collapsed,
    items: globSync(`api/${folder}/**/*.md`, { cwd: docs })
      .sort(byOrder)
      .map((path) => ({ text: readTitle(path), link: toLink(path) })),
  }))
}

/** Pages that are made when the site is built, by `scripts/generate.ts`. */
export const generatedParts = [
  { title: 'HTTP', folder: 'http', collapsed: false },
  { title: 'Command line', folder: 'commands', collapsed: false },
  { title: 'Builders', folder: 'builders', collapsed: false },
  { title: 'Types', folder: 'types', collapsed: true },
  { title: 'Examples', folder: 'examples', collapsed: false },
] as const

/** By the `order` that the front matter says, else by name, overviews first. */
function byOrder(a: string, b: string): number {
  const key = (path: string) => {
    const [, order] =
      /^---\n(?:.*\n)*?order: (\d+)\n/.exec(readFileSync(join(docs, path), 'utf8')) ?? []
    return `${(order ?? '999').padStart(4, '0')} ${path.replace('index.md', '')}`
  }
  return key(a) < key(b) ? -1 : 1
}

export function navigation(): DefaultTheme.NavItem[] {
  return [
    { text: 'Start', link: '/start/' },
    { text: 'Guides', link: '/guides/first-service' },
    {
      text: 'API',
      activeMatch: '^/api/',
      items: generatedParts.map(({ title, folder }) => ({ text: title, link: `/api/${folder}/` })),
    },
    { text: 'Architecture', link: '/architecture/' },
    { text: 'Contributing', link: '/project/contributing' },
  ]
}
