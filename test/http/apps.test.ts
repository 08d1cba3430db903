import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { Agent, get, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BaseServiceBuilder, ServiceBuilder } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { expectProblem } from '../compat/fixtures.ts'
import { request, sendRaw } from './raw.ts'

const info = { id: 'hosting', display_name: 'Hosting' }
const manifest = { name: 'Dashboard', version: '1.2.0', prefix: '/dashboard' }
const page = '<!doctype html><title>Dashboard</title><script src="main.js"></script>'
const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

type Files = Record<string, string | object>

/** Files in a folder, JSON where an object is given. */
function write(folder: string, files: Files): string {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

/** A folder of its own, gone after the test. */
function folderOf(files: Files): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'chapkit-apps-')))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return write(folder, files)
}
const appOf = (files: Files = {}, changes = {}): string =>
  folderOf({ 'manifest.json': { ...manifest, ...changes }, 'index.html': page, ...files })

const builder = () => new ServiceBuilder({ info }).withSystem().withHealth()
const start = async (service: ReturnType<ReturnType<typeof builder>['build']>) => {
  const running = await createTestService(service)
  onTestFinished(() => running.close())
  return running
}

describe('a web app', () => {
  test('is answered below the prefix of its manifest', async () => {
    const run = await start(
      builder()
        .withApp(appOf({ 'main.js': 'start()' }))
        .build(),
    )
    const home = await run.request('GET', '/dashboard/')
    expect(home).toMatchObject({ status: 200, text: page })
    expect(home.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-length': String(page.length),
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
      etag: expect.stringMatching(/^W\/"[\w-]+"$/),
      'last-modified': expect.stringMatching(/ GMT$/),
    })
    expect(home.headers).not.toHaveProperty('content-disposition')
    expect((await run.request('GET', '/dashboard/main.js')).text).toBe('start()')
    expect((await run.request('GET', '/dashboard/manifest.json')).json).toEqual(manifest)
  })

  test('is answered below the prefix that the builder gives', async () => {
    const folder = appOf()
    const run = await start(builder().withApp(folder, '/a/b/').build())
    expect((await run.request('GET', '/a/b/')).text).toBe(page)
    expect((await run.request('GET', '/dashboard/')).status).toBe(404)
  })

  test('is led to by a relative redirect that keeps the query', async () => {
    const run = await start(builder().withApp(appOf(), '/maps/dashboard').build())
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await run.request(method, '/maps/dashboard?week=3')
      expect([status, headers.location]).toEqual([307, 'dashboard/?week=3'])
    }
  })

  test('begins with the entry of its manifest', async () => {
    const folder = appOf({ 'start.html': 'other' }, { entry: 'start.html' })
    const run = await start(builder().withApp(folder).build())
    expect((await run.request('GET', '/dashboard/')).text).toBe('other')
    expect((await run.request('GET', '/dashboard/trends', undefined, html)).text).toBe('other')
  })

  test('is found relative to the service file, or by a URL', async () => {
    const folder = appOf()
    const module = pathToFileURL(join(dirname(folder), 'service.ts')).href
    const relative = folder.slice(dirname(folder).length + 1)
    const made = new BaseServiceBuilder({ info, module })
    const run = await start(
      made
        .withApp(relative)
        .withApp(pathToFileURL(folder) as URL, '/other')
        .build() as never,
    )
    expect((await run.request('GET', '/dashboard/')).text).toBe(page)
    expect((await run.request('GET', '/other/')).text).toBe(page)
  })

  test('answers HEAD like GET, without the bytes', async () => {
    const run = await start(builder().withApp(appOf()).build())
    const asked = await run.request('GET', '/dashboard/')
    const head = await run.request('HEAD', '/dashboard/')
    expect(head.text).toBe('')
    const same = ['content-length', 'content-type', 'etag', 'last-modified', 'cache-control']
    for (const name of same) expect(head.headers[name]).toBe(asked.headers[name])
  })

  test('is not sent again while it has not changed', async () => {
    const folder = appOf()
    const run = await start(builder().withApp(folder).build())
    const first = await run.request('GET', '/dashboard/')
    const again = () =>
      run.request('GET', '/dashboard/', undefined, { 'if-none-match': String(first.headers.etag) })
    expect(await again()).toMatchObject({ status: 304, text: '' })
    expect((await again()).headers['cache-control']).toBe('no-cache')
    write(folder, { 'index.html': page.replace('Dashboard', 'dashboard') })
    expect((await again()).status).toBe(200)
  })

  test('is sent in parts to whoever asks for a part', async () => {
    const run = await start(
      builder()
        .withApp(appOf({ 'data.bin': '0123456789' }))
        .build(),
    )
    const ask = (headers: Record<string, string>) =>
      run.request('GET', '/dashboard/data.bin', undefined, headers)
    const part = await ask({ range: 'bytes=2-4' })
    expect(part).toMatchObject({ status: 206, text: '234' })
    expect(part.headers['content-range']).toBe('bytes 2-4/10')
    expectProblem(await ask({ range: 'bytes=99-' }), 416, 'range-not-satisfiable')
    // A weak tag does not promise that the bytes are the same.
    const joined = { range: 'bytes=2-4', 'if-range': String(part.headers.etag) }
    expect(await ask(joined)).toMatchObject({ status: 200, text: '0123456789' })
  })

  test.each([
    ['page.html', 'text/html; charset=utf-8'],
    ['style.css', 'text/css; charset=utf-8'],
    ['main.js', 'text/javascript; charset=utf-8'],
    ['main.mjs', 'text/javascript; charset=utf-8'],
    ['data.json', 'application/json'],
    ['map.geojson', 'application/geo+json'],
    ['icon.svg', 'image/svg+xml'],
    ['IMAGE.PNG', 'image/png'],
    ['font.woff2', 'font/woff2'],
    ['code.wasm', 'application/wasm'],
    ['what.xyz', 'application/octet-stream'],
    ['what', 'application/octet-stream'],
  ])('says of %s that it is %s', async (name, type) => {
    const run = await start(
      builder()
        .withApp(appOf({ [name]: 'x' }))
        .build(),
    )
    expect((await run.request('GET', `/dashboard/${name}`)).headers['content-type']).toBe(type)
  })

  test.each([
    'assets/index-BX3kd9w2.js',
    'main.8e3f2a1b.css',
    'main.8e3f2a1b.js.map',
    'static/main.8e3f2a1b.chunk.js',
    'chunk-4QXZ7M2A.js',
    'logo.0123456789abcdef0123456789abcdef.svg',
  ])('lets browsers keep %s: a hash in its name says what is in it', async (name) => {
    const run = await start(
      builder()
        .withApp(appOf({ [name]: 'x' }))
        .build(),
    )
    const { headers } = await run.request('GET', `/dashboard/${name}`)
    expect(headers['cache-control']).toBe('public, max-age=31536000, immutable')
  })

  test.each([
    'main.js',
    'jquery-3.7.1.min.js',
    'chart-component.js',
    'chart-Component.js',
    'report-20240101.js',
    'facade2024.js',
    'plot-facade2024.js',
    'cases-covid2019.js',
    'main.8e3f2a1b.html',
    'data.8e3f2a1b.json',
  ])('lets browsers ask again for %s', async (name) => {
    const run = await start(
      builder()
        .withApp(appOf({ [name]: 'x' }))
        .build(),
    )
    expect((await run.request('GET', `/dashboard/${name}`)).headers['cache-control']).toBe(
      'no-cache',
    )
  })

  test('loads from its own origin only, unless the builder says otherwise', async () => {
    const policyOf = async (options: object) => {
      const run = await start(builder().withApp(appOf(), options).build())
      return (await run.request('GET', '/dashboard/')).headers['content-security-policy']
    }
    expect(await policyOf({})).toMatch(/^default-src 'self'; script-src 'self' /)
    const own = "default-src 'self' https://tiles.example.org"
    expect(await policyOf({ contentSecurityPolicy: own })).toBe(own)
    expect(await policyOf({ contentSecurityPolicy: false })).toBeUndefined()
    const broken = () => builder().withApp('x', { contentSecurityPolicy: 'a\r\nset-cookie: b' })
    expect(broken).toThrow('contentSecurityPolicy of one line')
  })

  test('asks for the permission that the builder names', async () => {
    const kept = { permission: 'service:use' } as const
    const folder = appOf({ 'main.8e3f2a1b.js': 'x' })
    const run = await start(builder().withApp(folder, kept).build())
    const { headers } = await run.request('GET', '/dashboard/main.8e3f2a1b.js')
    expect(headers['cache-control']).toBe('private, max-age=31536000, immutable')
    const unknown = builder().withApp(folder, { permission: 'nothing' as never })
    await expect(createTestService(unknown.build())).rejects.toThrow('unknown permission "nothing"')
  })
})

describe('below the prefix of a web app', () => {
  test('an unknown path is the entry for a browser that wants a page, and nothing for others', async () => {
    const run = await start(builder().withApp(appOf()).build())
    for (const path of ['trends', 'trends/', 'districts/7/cases', 'Ünïcode']) {
      const { status, text, headers } = await run.request(
        'GET',
        encodeURI(`/dashboard/${path}`),
        undefined,
        html,
      )
      expect([status, text, headers.vary]).toEqual([200, page, 'accept'])
      const other = await run.request('GET', encodeURI(`/dashboard/${path}`), undefined, {
        accept: '*/*',
      })
      expectProblem(other, 404, 'not-found')
    }
    const unwanted = { accept: 'text/html;q=0, application/json' }
    const json = await run.request('GET', '/dashboard/trends', undefined, unwanted)
    expectProblem(json, 404, 'not-found')
  })

  test('a file that is missing is missing for everybody', async () => {
    const run = await start(builder().withApp(appOf()).build())
    const missing = await run.request('GET', '/dashboard/assets/gone.js', undefined, html)
    const problem = expectProblem(missing, 404, 'not-found')
    expect(problem.detail).toBe('Nothing is at GET /dashboard/assets/gone.js')
    expect(missing.headers).not.toHaveProperty('cache-control')
  })

  test('a folder answers its page, and never what is in it', async () => {
    const files = { 'help/index.html': 'help', 'img/secret-name.png': 'x' }
    const run = await start(builder().withApp(appOf(files)).build())
    const led = await run.request('GET', '/dashboard/help?a=1')
    expect([led.status, led.headers.location]).toEqual([307, 'help/?a=1'])
    expect((await run.request('GET', '/dashboard/help/')).text).toBe('help')
    for (const path of ['/dashboard/img', '/dashboard/img/', '/dashboard/index.html/']) {
      const answer = await run.request('GET', path)
      expectProblem(answer, 404, 'not-found')
      expect(answer.text).not.toContain('secret-name')
    }
    expect((await run.request('GET', '/dashboard/img/', undefined, html)).text).toBe(page)
  })

  test.each(['POST', 'PUT', 'DELETE', 'PATCH'])(
    '%s is refused, with what is allowed',
    async (method) => {
      const run = await start(builder().withApp(appOf()).build())
      for (const path of ['/dashboard', '/dashboard/', '/dashboard/main.js', '/dashboard/a/b']) {
        const answer = await run.request(method, path, {})
        expectProblem(answer, 405, 'method-not-allowed')
        expect(answer.headers.allow).toBe('GET, HEAD, OPTIONS')
      }
    },
  )

  test('OPTIONS says what is allowed', async () => {
    const run = await start(builder().withApp(appOf()).build())
    const { status, headers } = await run.request('OPTIONS', '/dashboard/main.js')
    expect([status, headers.allow]).toEqual([204, 'GET, HEAD, OPTIONS'])
  })

  test("a user's own routes come first", async () => {
    const service = builder()
      .withApp(appOf({ 'main.js': 'x' }))
      .withRoutes((app) => {
        app.get('/dashboard/api/cases', async () => ({ cases: 12 }))
        app.post('/dashboard/api/submit', async () => ({ ok: true }))
      })
      .build()
    const run = await start(service)
    expect((await run.request('GET', '/dashboard/api/cases')).json).toEqual({ cases: 12 })
    expect((await run.request('POST', '/dashboard/api/submit', {})).json).toEqual({ ok: true })
    const wrong = await run.request('GET', '/dashboard/api/submit', undefined, html)
    expectProblem(wrong, 405, 'method-not-allowed')
    expect(wrong.headers.allow).toBe('OPTIONS, POST')
    expect((await run.request('GET', '/dashboard/main.js')).text).toBe('x')
  })

  test('apps within apps each have their own', async () => {
    const inner = appOf({ 'main.js': 'inner' }, { prefix: '/dashboard/map' })
    const outer = appOf({ 'main.js': 'outer' })
    const run = await start(builder().withApp(inner).withApp(outer).build())
    expect((await run.request('GET', '/dashboard/main.js')).text).toBe('outer')
    expect((await run.request('GET', '/dashboard/map/main.js')).text).toBe('inner')
  })
})

describe('a web app at /', () => {
  const root = (files: Files = {}) =>
    builder()
      .withConfig()
      .withApp(appOf(files, { prefix: '/' }))

  test('takes the place of the page that names the service', async () => {
    const run = await start(root({ 'main.js': 'x' }).build())
    expect((await run.request('GET', '/')).text).toBe(page)
    expect((await run.request('HEAD', '/')).status).toBe(200)
    expect((await run.request('GET', '/main.js')).text).toBe('x')
    expect((await run.request('GET', '/trends', undefined, html)).text).toBe(page)
    expectProblem(await run.request('POST', '/', {}), 405, 'method-not-allowed')
  })

  test('leaves the API and the pages of the service as they are', async () => {
    const run = await start(root({ 'health/index.html': 'x', 'docs/a.txt': 'x' }).build())
    expect((await run.request('GET', '/api/v1/info')).json.id).toBe('hosting')
    expect((await run.request('GET', '/health', undefined, html)).json.status).toBe('healthy')
    expect((await run.request('GET', '/docs')).text).toContain('swagger')
    expect((await run.request('GET', '/openapi.json')).json.openapi).toBe('3.1.0')
  })

  test.each([
    '/api',
    '/api/',
    '/api/v1/nope',
    '/API/v1/configs',
    '/%61pi/v1/nope',
    '/api%2Fv1%2Fnope',
    '/api/v1/configs/',
    '/v2/models',
    '/metrics',
    '/graphql',
    '/console/',
    '/docs/nope',
    '/health/nope',
    '/HEALTH',
    '/openapi.json/x',
  ])("does not answer %s, which is the service's", async (path) => {
    const files = { 'api/v1/nope': 'x', 'docs/nope': 'x', metrics: 'x', 'v2/models': 'x' }
    const run = await start(root(files).build())
    expectProblem(await run.request('GET', path, undefined, html), 404, 'not-found')
    expectProblem(await run.request('POST', path, {}), 404, 'not-found')
  })

  test('does not change what routes of the API allow', async () => {
    const run = await start(root().build())
    const id = '01K72P5N5KCRM6MD3BRE4P0778'
    const patched = await run.request('PATCH', `/api/v1/configs/${id}`, {})
    expect([patched.status, patched.headers.allow]).toEqual([
      405,
      'DELETE, GET, HEAD, OPTIONS, PUT',
    ])
    const { status } = await run.request('GET', '/api/v1/configs/$nope', undefined, html)
    expect(status).toBe(400)
  })

  test('leaves parts alone that were moved', async () => {
    const run = await start(root().withPrefixes({ info: '/about' }).build())
    expect((await run.request('GET', '/about')).json.id).toBe('hosting')
    expectProblem(await run.request('GET', '/about/x', undefined, html), 404, 'not-found')
  })
})

describe('the list of apps', () => {
  test('names each as clients of the contract expect', async () => {
    const first = appOf({}, { description: 'Cases', author: 'A' })
    const second = appOf({ 'start.html': 'x' }, { name: 'Map', entry: 'start.html' })
    const run = await start(builder().withApp(first).withApp(second, '/map').build())
    const listed = await run.request('GET', '/api/v1/system/apps')
    const shared = { version: '1.2.0', is_package: false }
    expect(listed.json).toEqual([
      {
        name: 'Dashboard',
        prefix: '/dashboard',
        description: 'Cases',
        author: 'A',
        entry: 'index.html',
        ...shared,
      },
      {
        name: 'Map',
        prefix: '/map',
        description: null,
        author: null,
        entry: 'start.html',
        ...shared,
      },
    ])
    const home = await run.request('GET', '/')
    expect(home.text).toContain('<a href="dashboard/">dashboard/</a> Cases')
  })

  test('is empty without apps', async () => {
    const run = await start(builder().build())
    expect((await run.request('GET', '/api/v1/system/apps')).json).toEqual([])
  })
})

describe('withApp refuses to start', () => {
  const refusal = async (files: Files, options: object = {}) => {
    const run = createTestService(builder().withApp(folderOf(files), options).build())
    return run.then(
      async (service) => {
        await service.close()
        return 'started'
      },
      (error: Error) => error.message,
    )
  }

  test.each<[string, Files, RegExp]>([
    ['no manifest', { 'index.html': page }, /Expected a manifest\.json in the folder/],
    ['a manifest that is no JSON', { 'manifest.json': '{"name":' }, /manifest\.json: .*ends early/],
    ['a manifest that is no object', { 'manifest.json': '[]' }, /manifest\.json: Expected object/],
    [
      'an entry that is not there',
      { 'manifest.json': manifest },
      /Expected the file "index\.html", the `entry` of manifest\.json/,
    ],
    [
      'an entry that is a folder',
      { 'manifest.json': { ...manifest, entry: 'a' }, 'a/b': '' },
      /Expected the file "a"/,
    ],
  ])('with %s', async (_name, files, reason) => {
    expect(await refusal(files)).toMatch(/^The web app in \/.* cannot be served: /)
    expect(await refusal(files)).toMatch(reason)
  })

  test.each<[object, RegExp]>([
    [{ name: undefined }, /manifest\.json: name: Expected string, got nothing/],
    [{ version: 1 }, /version: Expected string, got 1/],
    [{ prefix: undefined }, /prefix: Expected string, got nothing/],
    [{ colour: 'red' }, /colour/],
    ...[
      '',
      '..',
      '../x',
      '/a/../b',
      '/a/..b',
      'x',
      '//',
      '/a//b',
      '/%61',
      '/a?b',
      '/a b',
      '/:a',
      '/*',
      '/.',
      '/a/.',
    ].map((prefix): [object, RegExp] => [
      { prefix },
      /prefix: Expected a prefix such as "\/dashboard"/,
    ]),
    ...[
      '/api',
      '/API/',
      '/api/v1',
      '/v2',
      '/health/x',
      '/Metrics',
      '/graphql',
      '/console',
      '/docs/',
      '/openapi.json',
    ].map((prefix): [object, RegExp] => [{ prefix }, /prefix: .*is the service's own/]),
    ...['', '/etc/passwd', '../secret', 'a/../b', './index.html', '.env', 'a\\b', 'a//b', 'a/'].map(
      (entry): [object, RegExp] => [{ entry }, /entry: Expected a file of the app/],
    ),
  ])('with %j in its manifest', async (changes, reason) => {
    const files = { 'manifest.json': { ...manifest, ...changes }, 'index.html': page }
    expect(await refusal(files)).toMatch(reason)
  })

  test('with a folder that is not there, or is a file', async () => {
    const folder = folderOf({ file: 'x' })
    for (const name of ['nowhere', 'file']) {
      const service = builder().withApp(join(folder, name)).build()
      await expect(createTestService(service)).rejects.toThrow(/cannot be served: (there|it) is no/)
    }
  })

  test('with an entry that is a link to something outside', async () => {
    const folder = appOf({}, { entry: 'leak.html' })
    symlinkSync('/etc/hosts', join(folder, 'leak.html'))
    await expect(createTestService(builder().withApp(folder).build())).rejects.toThrow(
      'Expected the file "leak.html"',
    )
  })

  test('where the service or a route of the user answers', async () => {
    const moved = builder().withPrefixes({ info: '/about' }).withApp(appOf(), '/about/us')
    await expect(createTestService(moved.build())).rejects.toThrow(
      'the service answers at "/about"',
    )
    const own = builder()
      .withApp(appOf())
      .withRoutes((app) => void app.get('/dashboard', async () => 1))
    await expect(createTestService(own.build())).rejects.toThrow(/'\/dashboard'.*answers there/)
    expect(() => builder().withApp('x', '/api/mine')).toThrow("is the service's own")
  })
})

describe('withApps', () => {
  test('serves each app in a folder, and leaves out what does not fit', async () => {
    const folder = folderOf({
      'a/manifest.json': { ...manifest, prefix: '/a' },
      'a/index.html': 'a',
      'b/manifest.json': { ...manifest, prefix: '/b' },
      'b/index.html': 'b',
      'broken/manifest.json': '{',
      'empty/file.txt': '',
      'noentry/manifest.json': { ...manifest, prefix: '/noentry' },
      'reserved/manifest.json': { ...manifest, prefix: '/api/x' },
      'reserved/index.html': '',
      '.git/manifest.json': manifest,
      'readme.md': '',
    })
    const run = await start(builder().withApps(folder).build())
    const { json } = await run.request('GET', '/api/v1/system/apps')
    expect(json.map(({ prefix }: { prefix: string }) => prefix)).toEqual(['/a', '/b'])
    expect((await run.request('GET', '/b/')).text).toBe('b')
  })

  test('needs a folder', async () => {
    const service = builder().withApps('/nowhere/apps').build()
    await expect(createTestService(service)).rejects.toThrow(
      'The folder of web apps /nowhere/apps cannot be read: there is no such folder',
    )
  })

  test('of two apps with one prefix the last is served', async () => {
    const first = appOf({ 'index.html': 'first' })
    const second = appOf({ 'index.html': 'second' })
    const run = await start(builder().withApp(first).withApp(second).build())
    expect((await run.request('GET', '/dashboard/')).text).toBe('second')
    expect((await run.request('GET', '/api/v1/system/apps')).json).toHaveLength(1)
  })
})

describe('over a socket', () => {
  const secret = 'SECRET-OF-THE-MACHINE'
  let parent: string
  let app: string
  let url: string
  let service: ReturnType<ReturnType<typeof builder>['build']>

  beforeAll(async () => {
    parent = realpathSync(mkdtempSync(join(tmpdir(), 'chapkit-apps-')))
    app = join(parent, 'app')
    write(parent, { 'secret.txt': secret, secret, 'app-secret/secret.txt': secret })
    write(app, {
      'manifest.json': manifest,
      'index.html': page,
      'main.js': 'start()',
      'link-target.txt': 'inside',
      '.env': secret,
      '.git/config': secret,
      'sub/.secret': secret,
      'sub/main.js': 'x',
      'empty.txt': '',
      'long.bin': '',
    })
    truncateSync(join(app, 'long.bin'), 512 * 1024 * 1024)
    symlinkSync('../secret.txt', join(app, 'leak.txt'))
    symlinkSync('..', join(app, 'leak'))
    symlinkSync('../app-secret', join(app, 'beside'))
    symlinkSync('/etc', join(app, 'etc'))
    symlinkSync('.env', join(app, 'env.txt'))
    symlinkSync('.git', join(app, 'git'))
    symlinkSync('loop', join(app, 'loop'))
    symlinkSync('link-target.txt', join(app, 'fine.txt'))
    service = builder().withApp(app).withApp(app, '/').build()
    ;({ url } = await service.listen({
      port: 0,
      databaseUrl: ':memory:',
      logLevel: 'silent',
      signals: false,
    }))
  })
  afterAll(async () => {
    await service.close()
    rmSync(parent, { recursive: true })
  })

  async function ask(path: string, headers: string[] = []) {
    const answers = await sendRaw(url, request(`GET ${path} HTTP/1.1`, headers))
    expect(answers).toHaveLength(1)
    return answers[0]!
  }

  const ups = [
    '..',
    '%2e%2e',
    '%2E.',
    '.%2e',
    '%252e%252e',
    '%c0%ae%c0%ae',
    '%e0%80%ae%e0%80%ae',
    '%uff0e%uff0e',
    '%ef%bc%8e%ef%bc%8e',
    '..;',
    '....',
    '..%00',
    '..%20',
    '%00..',
  ]
  const slashes = ['/', '%2f', '%5c', '\\', '//', '/./', '%252f', '%c0%af', '%ef%bc%8f', '%2f%2f']
  const tricks = [
    ...ups.flatMap((up) =>
      slashes.flatMap((slash) => [
        `${up}${slash}secret.txt`,
        `sub${slash}${up}${slash}${up}${slash}secret`,
      ]),
    ),
    ...slashes.map((slash) => `${slash}etc${slash}passwd`),
    ...[
      '.env',
      '%2eenv',
      '.ENV',
      '.env%00.html',
      '.env/',
      'env.txt',
      '.git/config',
      '.git/',
      '.git',
    ],
    ...[
      'git/config',
      'git',
      'sub/.secret',
      'sub/%2esecret',
      'sub%2f.secret',
      './main.js',
      '.',
      '..',
    ],
    ...['leak.txt', 'leak/secret.txt', 'leak', 'beside/secret.txt', 'etc/passwd'],
    ...[
      'loop',
      'loop/x.js',
      'main.js/',
      'main.js/x.js',
      'main.js%00',
      'main.js%00.html',
      'MAIN.JS',
    ],
    ...[
      'index.html::$DATA',
      'main.js%0d%0ax: y',
      `${'a'.repeat(300)}.js`,
      'a/'.repeat(5000),
      '%',
      '%zz',
    ],
    ...[`file://${'/etc/passwd'}`, '~/secret.txt', '%7e/.env', 'sub//main.js'],
  ]

  test('no trick with a path brings a byte from outside', async () => {
    expect(tricks.length).toBeGreaterThan(300)
    const wrong: string[] = []
    for (const prefix of ['/dashboard/', '/']) {
      for (const trick of tricks) {
        const path = `${prefix}${trick}`
        const plain = await ask(path)
        const isRefused = [400, 404].includes(plain.status)
        if (!isRefused || plain.text.includes(secret)) wrong.push(`${plain.status} ${path}`)
        // A browser may get the entry, as for every path that is unknown, and nothing else.
        const asPage = await ask(path, ['Accept: text/html'])
        const isFine = [400, 404].includes(asPage.status) || asPage.text === page
        if (!isFine || asPage.text.includes(secret))
          wrong.push(`${asPage.status} ${path} as a page`)
      }
    }
    expect(wrong).toEqual([])
  })

  test.each([
    '..%2fsecret',
    '%2e%2e/secret',
    '../secret',
    '.git',
    'sub/.git',
    'sub//x',
    '%5cx',
    'x%00',
  ])('not even the entry is at %s, which is no path of an app', async (path) => {
    expectProblem(await ask(`/dashboard/${path}`, ['Accept: text/html']), 404, 'not-found')
  })

  test('a link to a file of the app is followed', async () => {
    expect(await ask('/dashboard/fine.txt')).toMatchObject({ status: 200, text: 'inside' })
  })

  test('an empty file is an answer without bytes', async () => {
    const answer = await ask('/dashboard/empty.txt')
    expect([answer.status, answer.headers['content-length']]).toEqual([200, '0'])
  })

  /** The head of an answer; its bytes wait. */
  const open = (path: string, agent: Agent | false = false) =>
    new Promise<IncomingMessage>((resolve, reject) =>
      get(`${url}${path}`, { agent }, resolve).on('error', reject),
    )
  const openFiles = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).startsWith(parent)
      } catch {
        return false
      }
    })

  test.runIf(process.platform === 'linux')(
    'a long file is never in memory, and is closed when its reader leaves',
    async () => {
      const before = process.memoryUsage().arrayBuffers
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => open('/dashboard/long.bin')),
      )
      expect(answers[0]!.headers['content-length']).toBe(String(512 * 1024 * 1024))
      await expect.poll(() => openFiles().length).toBe(5)
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
      for (const answer of answers) answer.destroy()
      await expect.poll(() => openFiles()).toEqual([])
    },
  )

  test.runIf(process.platform === 'linux')('every file is closed after its answer', async () => {
    const { headers } = await ask('/dashboard/main.js')
    await ask('/dashboard/main.js', [`If-None-Match: ${headers.etag}`])
    await ask('/dashboard/main.js', ['Range: bytes=900-'])
    await ask('/dashboard/main.js/')
    await ask('/dashboard/sub')
    await sendRaw(url, request('HEAD /dashboard/main.js HTTP/1.1'))
    await expect.poll(() => openFiles()).toEqual([])
  })

  test('an answer breaks off when its file becomes shorter', async () => {
    const file = join(app, 'shrinking.bin')
    writeFileSync(file, '')
    truncateSync(file, 64 * 1024 * 1024)
    // On a connection that stays, nothing else would tell its reader that no more will come.
    const agent = new Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    const answer = await open('/dashboard/shrinking.bin', agent)
    truncateSync(file, 0)
    const ended = new Promise((resolve) => answer.on('error', resolve).on('end', resolve))
    answer.resume()
    expect(await ended).toMatchObject({ code: 'ECONNRESET' })
  })
})
