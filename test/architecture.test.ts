import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

const src = resolve(import.meta.dirname, '../src')

/** What each folder may import besides itself, `kernel` and `errors.ts`. A folder that is not listed may import nothing. */
const mayImport: Record<string, readonly string[]> = {
  kernel: [],
  auth: [],
  data: [],
  db: [],
  engine: [],
  blob: ['db'],
  idempotency: ['db'],
  http: ['idempotency', 'permissions.ts'],
  config: ['db', 'http', 'idempotency'],
  artifact: ['blob', 'data', 'db', 'http', 'idempotency', 'thread'],
  job: ['blob', 'db', 'engine', 'http'],
  link: ['artifact', 'config', 'db', 'http'],
  entity: ['db', 'http', 'idempotency', 'permissions.ts'],
  system: ['db', 'http'],
  ml: ['artifact', 'blob', 'config', 'data', 'db', 'http', 'idempotency', 'job', 'thread'],
  host: ['data', 'ml', 'task'],
  script: ['artifact', 'blob', 'config', 'data', 'db', 'job', 'ml'],
  client: [...['artifact', 'config', 'data', 'job', 'ml', 'schedule', 'spec.ts', 'system', 'task']],
  task: ['artifact', 'config', 'data', 'db', 'http', 'idempotency', 'job', 'ml', 'script'],
  schedule: ['db', 'http', 'idempotency', 'job', 'task'],
  monitor: ['http'],
  orchestrator: ['settings.ts'],
  server: ['http', 'permissions.ts', 'settings.ts'],
  webapp: ['http', 'permissions.ts'],
  postman: [],
  thread: [],
  mlproject: [
    ...['artifact', 'builder.ts', 'config', 'definition.ts', 'ml', 'orchestrator'],
    ...['script', 'spec.ts'],
  ],
  cli: [
    ...['blob', 'client', 'config', 'data', 'db', 'definition.ts', 'host', 'job', 'ml'],
    ...['mlproject', 'platform.ts', 'postman', 'script', 'settings.ts', 'version.ts'],
  ],
  testing: [
    ...['blob', 'builder.ts', 'client', 'data', 'definition.ts', 'engine', 'job'],
    ...['ml', 'spec.ts'],
  ],
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !/\.(test|test-d)\.ts$|fixtures\/|^cli\/templates\//.test(file),
)
const read = (file: string) => readFileSync(join(src, file), 'utf8')

/** Comments and strings of several lines say names too; code is what is left. */
const code = (file: string) => read(file).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')

/** Static, side-effect and dynamic imports: a late import is still an arrow. */
function imports(file: string, { types = true } = {}): string[] {
  const text = types
    ? code(file)
    : code(file).replace(/\b(import|export) type\b[^'"]*['"][^'"]+['"]/g, '')
  return [...text.matchAll(/\b(?:from|import)\b[\s(]*['"]([^'"]+)['"]/g)].map(
    ([, name]) => name ?? '',
  )
}

const local = (file: string, options = {}) =>
  imports(file, options)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(src, resolve(src, dirname(file), name)))

const folderOf = (file: string) => file.split('/')[0] ?? ''
const isRoutes = (file: string) => file.endsWith('/routes.ts') || file.startsWith('server/')

test('folders import only the neighbours that they declare', () => {
  const offenders = files
    .filter((file) => file.includes('/'))
    .flatMap((file) => {
      const folder = folderOf(file)
      const allowed = [folder, 'kernel', 'errors.ts', ...(mayImport[folder] ?? [])]
      return local(file)
        .filter((target) => !mayImport[folder] || !allowed.includes(folderOf(target)))
        .map((target) => `${file} -> ${target}`)
    })
  expect(offenders).toEqual([])
})

test('no module imports itself in a circle', () => {
  // Imports of types alone are gone at run time.
  const graph = new Map(files.map((file) => [file, local(file, { types: false })]))
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: string[]) => {
    if (path.includes(file))
      return void circles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  expect(circles).toEqual([])
})

test('only routes and the server know Fastify', () => {
  const offenders = files
    .filter((file) => imports(file).some((name) => /^(fastify|@fastify\/)/.test(name)))
    .filter((file) => !isRoutes(file))
  expect(offenders).toEqual([])
})

test('values of the kernel and of data do no input and output', () => {
  const io = /^node:(fs|net|http|https|child_process|worker_threads|dgram|tls|os)/
  const offenders = files
    .filter((file) => file.startsWith('kernel/') || file.startsWith('data/'))
    .filter((file) => imports(file).some((name) => io.test(name)))
  expect(offenders).toEqual([])
})

test('SQL is built in stores and in the database folder only', () => {
  const speaks = /\.(selectFrom|insertInto|updateTable|deleteFrom|withRecursive)\(|\bsql`/
  const offenders = files
    .filter((file) => speaks.test(code(file)))
    .filter((file) => !file.endsWith('/store.ts') && !file.startsWith('db/'))
  expect(offenders).toEqual([])
})

test('environment, clock and chance enter in one place each', () => {
  const entries: Record<string, readonly string[]> = {
    'process\\.env': ['settings.ts'],
    'Date\\.now\\(': ['testing/blob-store-suite.ts'],
    'Math\\.random\\(': [],
    'randomUUID\\(': [],
    'new Date\\(\\)': ['server/log.ts'],
  }
  const offenders = Object.entries(entries).flatMap(([name, allowed]) =>
    files
      .filter((file) => new RegExp(name).test(code(file)) && !allowed.includes(file))
      .map((file) => `${file}: ${name}`),
  )
  expect(offenders).toEqual([])
})

test('stdout and stderr are written to in one place by the command line, and in one by the log', () => {
  const writers = files
    .filter((file) =>
      /\bconsole\.\w+\(|process\.(stdout|stderr)\.write|output: process\.std|, process\.std/.test(
        code(file),
      ),
    )
    .filter((file) => !file.startsWith('cli/templates/'))
  expect(writers.sort()).toEqual([
    // Before the first import, under a Node that could not read it.
    'cli/bin.ts',
    'cli/print.ts',
    // A host writes to a pipe, which the service reads.
    'host/entry.ts',
    'server/log-destination.ts',
  ])
})

test('importing the package starts nothing, prints nothing and leaves globals alone', () => {
  const script = `
    const before = new Set(Object.getOwnPropertyNames(globalThis))
    for (const door of ['chapkit', 'chapkit/client', 'chapkit/testing']) await import(door)
    const added = Object.getOwnPropertyNames(globalThis).filter((name) => !before.has(name))
    console.log(JSON.stringify({ added, active: process.getActiveResourcesInfo() }))`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=chapkit-source', '--input-type=module', '--eval', script],
    { cwd: resolve(src, '..'), encoding: 'utf8' },
  )
  expect(stderr).toBe('')
  const { added, active } = JSON.parse(stdout) as { added: string[]; active: string[] }
  // Zod keeps its registry there, so that two copies of it agree.
  expect(added.filter((name) => !name.startsWith('__zod_'))).toEqual([])
  expect(active.filter((name) => !/^(TTY|Pipe)Wrap$/.test(name))).toEqual([])
})

test('the server is loaded when a service starts, not when the package is imported', () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    await import('chapkit')
    console.log(JSON.stringify(loaded))`
  const { stdout } = spawnSync(
    process.execPath,
    ['--conditions=chapkit-source', '--input-type=module', '--eval', script],
    { cwd: resolve(src, '..'), encoding: 'utf8' },
  )
  const loaded = JSON.parse(stdout) as string[]
  expect(loaded.some((url) => url.endsWith('/src/builder.ts'))).toBe(true)
  expect(
    loaded.filter((url) => /node_modules\/(fastify|pino|ajv|better-sqlite3)\//.test(url)),
  ).toEqual([])
})

test('the client is nothing but itself: no server, no library, nothing of Node', () => {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context) } })
    await import('chapkit/client')
    console.log(JSON.stringify(loaded))`
  const { stdout } = spawnSync(
    process.execPath,
    ['--conditions=chapkit-source', '--input-type=module', '--eval', script],
    { cwd: resolve(src, '..'), encoding: 'utf8' },
  )
  const loaded = (JSON.parse(stdout) as string[]).map((url) => url.replace(/^.*\/src\//, ''))
  expect(loaded).toContain('client/client.ts')
  // Values only: names of paths, states of jobs, a pause.
  expect(loaded.filter((url) => !url.startsWith('client/')).sort()).toEqual([
    'job/schema.ts',
    'kernel/abort.ts',
    'spec.ts',
  ])
  // Its types are those of what travels.
  const strangers = files
    .filter((file) => file.startsWith('client/'))
    .flatMap((file) => local(file))
    .filter((file) => !/^(client|kernel)\/|\/schema\.ts$|^(errors|spec)\.ts$/.test(file))
  expect([...new Set(strangers)].sort()).toEqual([
    'data/geojson.ts',
    'ml/info.ts',
    'ml/run-info.ts',
  ])
})

test('only the monitor writes metrics, and nobody loads it but a service that asks for it', () => {
  const writers = files.filter((file) => imports(file).includes('prom-client'))
  expect(writers).toEqual(['monitor/exposition.ts'])

  const knowing = files
    .filter((file) => !file.startsWith('monitor/'))
    .filter((file) => local(file).some((target) => target.startsWith('monitor/')))
  expect(knowing).toEqual(['definition.ts', 'service.ts'])
  // The one loads it when the service starts, the other knows its types.
  expect(local('service.ts', { types: false }).filter((each) => /^monitor/.test(each))).toEqual([])
  expect(code('definition.ts')).toMatch(/spec\.monitoring \? import\('\.\/monitor\/monitor\.ts'\)/)
})
