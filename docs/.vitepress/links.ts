import { existsSync, statSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import type { MarkdownRenderer } from 'vitepress'
import { fileAnchor, isShown } from '../scripts/examples.ts'
import { settings } from './settings.ts'

const docs = resolve(import.meta.dirname, '..')
const root = resolve(docs, '..')

/**
 * Where a link of a page leads on the site. Pages are also read as files of the repository, so their links name files; what
 * lies outside the site is an example, which has a page, or is read in the repository. Null leads nowhere: no repository is
 * known.
 */
export function toSiteLink(href: string, page: string): string | null {
  if (/^([a-z][\w+.-]*:|#|\/)/i.test(href)) return href
  const [, path = '', rest = ''] = /^([^?#]*)(.*)$/s.exec(href) ?? []
  const target = resolve(docs, dirname(page), path)
  const inDocs = relative(docs, target)
  if (inDocs === '') return `/${rest}`
  if (inDocs === 'sample-data') return '/workflows/#sample-data'
  if (!inDocs.startsWith('..')) return `/${inDocs.replace(/(^|\/)README\.md$/, '$1')}${rest}`

  const inRoot = relative(root, target)
  const included = includedPages[inRoot]
  if (included !== undefined) return `/${included}${rest}`
  const example = toExample(inRoot)
  if (example !== null) return `/api/examples/${example}${rest}`
  if (!existsSync(target)) throw new Error(`${page} links to ${inRoot}, which is not there`)
  if (settings.repository === null) return null
  const kind = statSync(target).isDirectory() ? '/tree/' : '/blob/'
  return `${settings.repository.replace('/blob/', kind)}/${inRoot}${rest}`
}

/** The page of an example, or the place in it of one of its files. */
function toExample(path: string): string | null {
  if (/^examples\/?$/.test(path)) return ''
  const [, name, file = 'README.md'] = /^examples\/([\w-]+)(?:\/(.+))?$/.exec(path) ?? []
  if (name === undefined) return null
  if (file === 'README.md') return `${name}.md`
  return isShown(file) ? `${name}.md#${fileAnchor(file)}` : null
}

/** Pages of the site that are files of the root. */
const includedPages: Readonly<Record<string, string>> = {
  'ARCHITECTURE.md': 'project/internals.md',
  'CONTRIBUTING.md': 'project/contributing.md',
  'CHANGELOG.md': 'project/changelog.md',
  'README.md': 'index.md',
}

/** Turns the links of pages into links of the site before they are checked. */
export function siteLinks(md: MarkdownRenderer): void {
  md.core.ruler.push('site-links', ({ tokens, env }) => {
    const page: string = env.frontmatter?.source ?? env.relativePath
    for (const { children } of tokens) {
      const dead: boolean[] = []
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const href = toSiteLink(token.attrGet('href') ?? '', page)
          dead.push(href === null)
          if (href === null) token.tag = 'span'
          else token.attrSet('href', href)
          if (href === null) token.attrs = null
        }
        if (token.type === 'link_close' && dead.pop()) token.tag = 'span'
      }
    }
  })
}
