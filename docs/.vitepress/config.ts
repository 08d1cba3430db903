import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitepress'
import { drawBlocks, plainBraces } from './blocks.ts'
import { siteLinks } from './links.ts'
import { writeTexts } from './llms.ts'
import { settings } from './settings.ts'
import { apiSidebar, guideSidebar, navigation } from './sidebar.ts'

export default defineConfig({
  title: 'chapkit',
  description: 'Turn a model in R, Python or TypeScript into a web service from one file',
  lang: 'en',
  base: settings.base,
  cleanUrls: true,
  // The index of the folder for those who read it as files: the site has a sidebar made from it.
  srcExclude: ['README.md', 'scripts/**'],
  // A folder's README is its first page.
  rewrites: { ':folder/README.md': ':folder/index.md' },
  // Addresses of services on the reader's own machine.
  ignoreDeadLinks: 'localhostLinks',
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `${settings.base}logo.svg` }],
    ['meta', { name: 'theme-color', content: '#1f6f5c' }],
  ],
  markdown: {
    config: (md) => {
      md.use(siteLinks)
      md.use(drawBlocks)
      md.use(plainBraces)
    },
  },
  // The index of the search is one file.
  vite: { build: { chunkSizeWarningLimit: 4096 } },
  themeConfig: {
    logo: '/logo.svg',
    nav: navigation(),
    sidebar: { '/api/': apiSidebar(), '/': guideSidebar() },
    outline: [2, 3],
    search: { provider: 'local' },
    footer: { message: 'Apache-2.0' },
    notFound: {
      title: 'There is no such page',
      quote: 'It may have another name now. The search above knows every page.',
      linkText: 'To the start',
      code: '404',
    },
    ...(settings.repository !== null && {
      socialLinks: [{ icon: 'github', link: settings.repository.replace(/\/blob\/.*$/, '') }],
    }),
  },
  buildEnd: ({ outDir }) => {
    writeTexts(outDir)
    // Files that pages link to, to be downloaded.
    for (const folder of ['sample-data', 'postman'])
      cpSync(join(import.meta.dirname, '..', folder), join(outDir, folder), { recursive: true })
  },
})
