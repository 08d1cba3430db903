// Shows the site that was built, on this machine only. `npm run docs:serve`; PORT is 4173 unless said otherwise.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { settings } from '../.vitepress/settings.ts'
import { serveSite } from './serve-site.ts'

const site = resolve(import.meta.dirname, '../.vitepress/dist')
if (!existsSync(site)) {
  console.error('There is no site yet: `npm run docs` builds it')
  process.exitCode = 1
} else {
  const port = Number(process.env.PORT || 4173)
  try {
    const { url } = await serveSite(site, { port, base: settings.base })
    console.log(`The site is at ${url}/; Ctrl-C stops it`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    console.error(`Port ${port} is taken: choose another one with PORT`)
    process.exitCode = 1
  }
}
