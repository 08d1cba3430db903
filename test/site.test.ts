import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { everything } from '../docs/scripts/everything.ts'
import { serveSite } from '../docs/scripts/serve-site.ts'
import { createProgram } from '../src/cli/program.ts'
import { BaseServiceBuilder, MLServiceBuilder, ServiceBuilder } from '../src/index.ts'
import { createTestService } from '../src/testing/index.ts'
import { sitePages } from './setup/pages.ts'
import { builtSite, readPages } from './setup/site.ts'

let site: string
let pages: Map<string, string>

beforeAll(() => {
  site = builtSite()
  pages = readPages(site)
}, 300_000)

const decode = (text: string) => decodeURIComponent(text.replaceAll('&amp;', '&'))
const hrefs = (html: string) =>
  [...html.matchAll(/<a\b[^>]*?\bhref="([^"]+)"/g)].map(([, href]) => href!)

describe('the built site', () => {
  test('links only to pages and places that it has', () => {
    const places = new Map(
      [...pages].map(([path, html]) => [
        path,
        new Set([...html.matchAll(/\bid="([^"]+)"/g)].map(([, id]) => decode(id!))),
      ]),
    )
    const dead: string[] = []
    for (const [path, html] of pages) {
      for (const href of hrefs(html)) {
        if (/^(https?|mailto):/.test(href)) continue
        const { pathname, hash } = new URL(href, `http://site${path}`)
        const target = places.get(decode(pathname))
        const isFile = globSync(decode(pathname).slice(1), { cwd: site }).length > 0
        const leads = hash === '' ? target || isFile : target?.has(decode(hash.slice(1)))
        if (!leads) dead.push(`${path} -> ${href}`)
      }
    }
    expect(dead).toEqual([])
  })

  test('loads nothing from elsewhere', () => {
    const loaded = [...pages].flatMap(([path, html]) =>
      [...html.matchAll(/<(?:script|img|link|iframe)\b[^>]*?\b(?:src|href)="(https?:[^"]+)"/g)].map(
        ([, url]) => `${path} loads ${url}`,
      ),
    )
    const styles = globSync('**/*.css', { cwd: site }).filter((file) =>
      /url\(['"]?(https?:)?\/\/|@import/.test(readFileSync(join(site, file), 'utf8')),
    )
    expect([loaded, styles]).toEqual([[], []])
    expect([...pages.values()].join('')).not.toContain('fonts.googleapis.com')
  })

  test('has a page for every page of the folders, in its sidebar', () => {
    const start = pages.get('/start/')!
    const missing = sitePages()
      .map((page) => `/${page.replace(/^docs\//, '').replace(/(index|README)?\.md$/, '')}`)
      .filter((path) => path !== '/')
      .filter((path) => !pages.has(path) || !start.includes(`href="${path}"`))
    expect(missing).toEqual([])
  })

  test('describes every operation that a service has, with its method', async () => {
    await using service = await createTestService(everything())
    const { json } = await service.request('GET', '/openapi.json')
    const reference = [...pages].filter(([path]) => path.startsWith('/api/http/'))
    const text = reference.map(([, html]) => html).join('')
    const missing = Object.entries(json.paths as Record<string, object>).flatMap(([path, item]) =>
      Object.keys(item)
        .map((method) => `${method.toUpperCase()} ${path}`)
        .filter((name) => {
          const [method, path] = name.split(' ')
          return (
            !text.includes(
              `<span class="method method-${method!.toLowerCase()}">${method}</span> <code>${path!.replaceAll('{', '&#123;')}</code>`,
            ) && !text.includes(`>${method}</span> <code>${path}</code>`)
          )
        }),
    )
    expect(missing).toEqual([])
  })

  test('has every command, and every method of the builders', () => {
    const program = createProgram()
    const commands = program
      .createHelp()
      .visibleCommands(program)
      .map((each) => each.name())
    const builders = [BaseServiceBuilder, ServiceBuilder, MLServiceBuilder]
    const methods = builders.flatMap(({ name, prototype }) =>
      Object.getOwnPropertyNames(prototype)
        .filter((method) => /^(with|on|build)/.test(method))
        .map((method) => ({
          page: `/api/builders/${name}`,
          place: `id="${method.toLowerCase()}"`,
        })),
    )

    expect(commands).toContain('serve')
    expect(
      commands.filter((name) => name !== 'help' && !pages.has(`/api/commands/${name}`)),
    ).toEqual([])
    expect(methods.length).toBeGreaterThan(20)
    expect(methods.filter(({ page, place }) => !pages.get(page)?.includes(place))).toEqual([])
  })

  test('has a service to describe that answers at every prefix there is', async () => {
    const service = everything()
    await using test = await createTestService(service)
    const { json } = await test.request('GET', '/openapi.json')
    const paths = Object.keys(json.paths)
    const silent = Object.entries(service.spec.prefixes).filter(
      ([, prefix]) => !paths.some((path) => path.startsWith(prefix)),
    )
    expect(silent).toEqual([])
  })

  test('is one text file as well, with every page in it', () => {
    const whole = readFileSync(join(site, 'llms-full.txt'), 'utf8')
    const index = readFileSync(join(site, 'llms.txt'), 'utf8')
    for (const page of sitePages().filter((page) => !/^docs\/(README|index)\.md$/.test(page))) {
      const path = `/${page.replace(/^docs\//, '').replace(/(index|README)?\.md$/, '')}`
      expect(index).toContain(`](${path})`)
      expect(whole).toContain(`<!-- ${path} -->`)
    }
    for (const part of ['POST</span> <code>/api/v1/ml/$train', '# chapkit serve', '# DataFrame'])
      expect(whole).toContain(part)
  })
})

/** Where a program lies. */
function find(program: string): string {
  return spawnSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).stdout.trim()
}

describe.skipIf(inject('missing').includes('chromium'))('in a browser', () => {
  let browser: Browser
  let served: Awaited<ReturnType<typeof serveSite>>

  beforeAll(async () => {
    served = await serveSite(site)
    // Without a sandbox of its own it also runs as root; it only sees our pages.
    browser = await chromium.launch({
      executablePath: find('chromium'),
      args: ['--no-sandbox'],
    })
  })
  afterAll(async () => {
    await browser?.close()
    await served?.[Symbol.asyncDispose]()
  })

  /** Opens a page, and gives what it asked of other hosts. */
  async function open(path: string, options: Parameters<Browser['newContext']>[0] = {}) {
    const context = await browser.newContext(options)
    const page = await context.newPage()
    const elsewhere: string[] = []
    page.on('request', (request) => {
      if (!request.url().startsWith(served.url) && !request.url().startsWith('data:'))
        elsewhere.push(request.url())
    })
    await page.goto(served.url + path, { waitUntil: 'networkidle' })
    return { page, elsewhere, [Symbol.asyncDispose]: () => context.close() }
  }

  const width = (page: Page) => page.evaluate<number>('document.documentElement.scrollWidth')

  test.each([
    '/',
    '/start/r',
    '/guides/operating',
    '/architecture/',
    '/api/http/ml',
    '/api/commands/serve',
    '/api/types/index/classes/DataFrame',
    '/api/examples/dengue',
    '/project/contributing',
  ])('%s fits a phone, and asks nothing of other hosts', async (path) => {
    await using opened = await open(path, { viewport: { width: 390, height: 844 } })

    expect(await width(opened.page)).toBeLessThanOrEqual(390)
    expect(opened.elsewhere).toEqual([])
  })

  test('the search finds a word in a guide', async () => {
    await using opened = await open('/')
    const { page, elsewhere } = opened
    await page.getByRole('button', { name: 'Search' }).first().click()
    await page.locator('.VPLocalSearchBox input').fill('histogram_quantile')
    await page.locator('.VPLocalSearchBox .result').first().waitFor()
    await page.locator('.VPLocalSearchBox .result[href*="/guides/monitoring"]').first().waitFor()

    expect(elsewhere).toEqual([])
  })

  test('diagrams are drawn, and take the colours of the page when it turns dark', async () => {
    await using opened = await open('/architecture/')
    const { page } = opened
    const shown = await page.locator('.diagram svg text').allTextContents()
    for (const label of ['result and final state', 'Model', 'completed'])
      expect(shown).toContain(label)
    const ink = () =>
      page.evaluate<string>("getComputedStyle(document.querySelector('.diagram text')).fill")
    const light = await ink()

    await page.locator('.VPNavBarAppearance button').click()

    expect(await page.evaluate("document.documentElement.classList.contains('dark')")).toBe(true)
    expect(await ink()).not.toBe(light)
  })
})
