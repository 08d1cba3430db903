import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FunctionalModelRunner, MLServiceBuilder, type Service } from 'chapkit'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'

const runner = new FunctionalModelRunner({
  onTrain: () => ({}),
  onPredict: ({ future }) => future.derive('sample_0', () => 0),
})
const info = { id: 'seen', display_name: 'Seen', period_type: 'monthly' } as const

describe.skipIf(inject('missing').includes('chromium'))('in a browser', () => {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-seen-'))
  let service: Service
  let browser: Browser
  let elsewhere: Server
  /** The service, by an address; and a page of another site, by its name. */
  let url: string
  let port: number
  let evil: string

  beforeAll(async () => {
    writeFileSync(join(folder, 'manifest.json'), '{"name":"A","version":"1","prefix":"/app"}')
    writeFileSync(join(folder, 'index.html'), '<!doctype html><title>App</title><body>')
    service = new MLServiceBuilder({ info, runner }).withApp(folder).build() as never
    const settings = {
      port: 0,
      databaseUrl: ':memory:',
      logLevel: 'silent',
      signals: false,
    } as const
    url = (await service.listen({ ...settings, hosting: 'inline' })).url
    port = Number(new URL(url).port)
    elsewhere = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><body>')
    })
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    evil = `http://evil.example:${(elsewhere.address() as AddressInfo).port}`
    browser = await chromium.launch({
      executablePath: spawnSync('sh', ['-c', 'command -v chromium'], {
        encoding: 'utf8',
      }).stdout.trim(),
      // Without a sandbox of its own it also runs as root. Names of the test lead to this machine, as those of an attacker would.
      args: ['--no-sandbox', '--host-resolver-rules=MAP *.example 127.0.0.1'],
    })
  })
  afterAll(async () => {
    await browser?.close()
    elsewhere?.close()
    await service?.close()
    rmSync(folder, { recursive: true })
  })

  async function open(address: string): Promise<Page & AsyncDisposable> {
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(address)
    return Object.assign(page, { [Symbol.asyncDispose]: () => context.close() })
  }
  /** What a script of a page returns. It is text: to the compiler there is no page. */
  const run = <Value>(page: Page, script: string) =>
    page.evaluate<Value>(`(async () => {${script}})()`)
  const countOf = async (what: string) =>
    JSON.parse((await service.inject(`/api/v1/${what}/$stats`)).body).total as number
  async function upload(type: string, text: string): Promise<string> {
    const answer = await service.inject({
      method: 'POST',
      url: '/api/v1/artifacts/$upload',
      headers: { 'content-type': type },
      payload: text,
    })
    return `/api/v1/artifacts/${JSON.parse(answer.body).id}/$download`
  }

  test('a page whose name has come to lead here reads nothing', async () => {
    await using page = await open(`http://evil.example:${port}/health`)
    const statuses = await run(
      page,
      `
      const asked = ['/api/v1/configs', '/openapi.json', '/app/', '/docs'].map((path) => fetch(path))
      return (await Promise.all(asked)).map(({ status }) => status)
    `,
    )
    expect(statuses).toEqual([421, 421, 421, 421])
  })

  test('a page of another site changes nothing, by a form or by a script', async () => {
    const before = [await countOf('artifacts'), await countOf('configs')]
    await using page = await open(evil)
    await run(
      page,
      `
      const send = (path, type, body) =>
        fetch('${url}' + path, { method: 'POST', mode: 'no-cors', headers: { 'content-type': type }, body })
      await send('/api/v1/artifacts/$upload', 'text/plain', 'bytes')
      await send('/api/v1/configs', 'text/plain', '{"name":"a","data":{}}')
      navigator.sendBeacon('${url}/api/v1/artifacts/$upload', 'bytes')
    `,
    )
    const answered = page.waitForResponse((response) => response.url().endsWith('?form'))
    await run(
      page,
      `
      const form = document.createElement('form')
      Object.assign(form, { method: 'POST', enctype: 'text/plain', action: '${url}/api/v1/artifacts/$upload?form' })
      document.body.append(form)
      form.submit()
    `,
    )
    expect((await answered).status()).toBe(403)
    expect([await countOf('artifacts'), await countOf('configs')]).toEqual(before)
  })

  test('nothing that was uploaded becomes a script, style, worker or frame of an app', async () => {
    const script = await upload('text/javascript', 'globalThis.ran = true; self.postMessage?.(1)')
    const style = await upload('text/css', 'body { color: rgb(1, 2, 3) }')
    const frame = await upload('text/html', '<script>parent.ran = true</script>')
    await using page = await open(`${url}/app/`)
    const outcome = await run<Record<string, unknown>>(
      page,
      `
      const loads = (element) =>
        new Promise((resolve) => {
          element.onload = () => resolve('loaded')
          element.onerror = () => resolve('refused')
          document.body.append(element)
        })
      const make = (tag, more) => Object.assign(document.createElement(tag), more)
      const works = (worker) =>
        new Promise((resolve) => {
          worker.onmessage = () => resolve('ran')
          worker.onerror = () => resolve('refused')
        })
      const framed = make('iframe', { src: '${frame}' })
      return {
        script: await loads(make('script', { src: '${script}' })),
        module: await loads(make('script', { src: '${script}', type: 'module' })),
        style: await loads(make('link', { rel: 'stylesheet', href: '${style}' })),
        worker: await works(new Worker('${script}')),
        serviceWorker: await navigator.serviceWorker.register('${script}').then(() => 'ran', () => 'refused'),
        frame: await loads(framed).then(() => framed.contentDocument?.scripts.length ?? 0),
        ran: globalThis.ran ?? false,
        color: getComputedStyle(document.body).color,
      }
    `,
    )
    expect(outcome).toMatchObject({ script: 'refused', module: 'refused', style: 'refused' })
    expect(outcome).toMatchObject({ worker: 'refused', serviceWorker: 'refused' })
    expect(outcome).toMatchObject({ frame: 0, ran: false })
    expect(outcome.color).not.toBe('rgb(1, 2, 3)')
  })

  test('an image that was uploaded is shown by an app', async () => {
    const image = await upload(
      'image/svg+xml',
      '<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>',
    )
    await using page = await open(`${url}/app/`)
    const width = await run(
      page,
      `
      const shown = Object.assign(new Image(), { src: '${image}' })
      await shown.decode()
      return shown.naturalWidth
    `,
    )
    expect(width).toBe(7)
  })

  test('a page of another site shows none of the pages in a frame', async () => {
    await using page = await open(evil)
    for (const path of ['/', '/docs', '/app/']) {
      const refused = page.waitForEvent('console', { timeout: 90_000 })
      await run(
        page,
        `
        const frame = Object.assign(document.createElement('iframe'), { src: '${url + path}' })
        document.body.replaceChildren(frame)
      `,
      )
      expect((await refused).text()).toMatch(/frame/i)
    }
  })

  test('the API pages show the API, and try it out', async () => {
    await using page = await open(`${url}/docs`)
    const errors: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text())
    })
    const operation = page.locator('.opblock', { hasText: '/api/v1/info' }).first()
    await operation.locator('.opblock-summary').first().click()
    await operation.getByRole('button', { name: 'Execute' }).click()
    const answer = operation.locator('.live-responses-table', { hasText: '"display_name": "Seen"' })
    await answer.first().waitFor({ timeout: 90_000 })
    expect(errors).toEqual([])

    const made = await run(
      page,
      `
      const headers = { 'content-type': 'application/json' }
      const body = '{"name":"a","data":{}}'
      return (await fetch('api/v1/configs', { method: 'POST', headers, body })).status
    `,
    )
    expect(made).toBe(201)
  })
})
