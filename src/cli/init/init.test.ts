import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import { runInThisContext } from 'node:vm'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { DataFrame } from '../../data/index.ts'
import { parsePeriod } from '../../data/periods.ts'
import { ask } from './ask.ts'
import { nameProblem, titleProblem, toTitle } from './names.ts'
import { type PlanOptions, planProject } from './plan.ts'
import { render } from './render.ts'
import { makeSampleData } from './sample-data.ts'
import { templateNames } from './templates.ts'
import { writeProject } from './write.ts'

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-init-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function chapkit(args: string[], cwd: string) {
  const bin = resolve(import.meta.dirname, '../bin.ts')
  const child = spawn(process.execPath, ['--conditions=chapkit-source', bin, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  const [out, err, [code]] = await said
  return { code, out, err }
}

const choice: PlanOptions = {
  ...{ name: 'dengue', title: 'Dengue', template: 'fn-ts', period: 'monthly' },
  ...{ validation: false, chapkit: '^0.3.0' },
}

test('a project is made in a new folder, and the next commands are said', async () => {
  const cwd = emptyFolder()
  const { code, out, err } = await chapkit(['init', 'dengue-forecast'], cwd)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain('  cd dengue-forecast\n  npm install\n  npm run dev\n')
  expect(readdirSync(cwd)).toEqual(['dengue-forecast'])
  const content = JSON.parse(readFileSync(join(cwd, 'dengue-forecast/package.json'), 'utf8'))
  expect(content).toMatchObject({ name: 'dengue-forecast', private: true })
  expect(existsSync(join(cwd, 'dengue-forecast/.git'))).toBe(false)
})

test('an empty folder that is there is filled, also the current one', async () => {
  const cwd = join(emptyFolder(), 'here')
  mkdirSync(join(cwd, 'there'), { recursive: true })
  expect((await chapkit(['init', 'there'], cwd)).code).toBe(0)
  expect(readdirSync(join(cwd, 'there'))).toContain('service.ts')
  rmSync(join(cwd, 'there'), { recursive: true })
  const { code, out } = await chapkit(['init', '.', '--git'], cwd)
  expect(code).toBe(0)
  expect(out).not.toContain('cd ')
  expect(readdirSync(cwd)).toEqual(expect.arrayContaining(['.git', 'service.ts']))
})

test.each([
  [['init', 'Dengue Forecast'], /small letters, digits and hyphens.*: try dengue-forecast$/m],
  [['init', '../up'], /try up$/m],
  [['init', '1st'], /try st$/m],
  [['init', '§'], /such as dengue-forecast$/m],
  [['init', 'chapkit'], /chapkit is the name of a package that the project needs/],
  [['init', 'a'.repeat(61)], /up to 60 characters/],
  [['init', 'x', '--title', 'one\ntwo'], /Expected a title of one line/],
  [['init'], /Expected a name: chapkit init/],
  [['init', 'x', '--template', 'rust'], /--template: .*fn-ts, class-ts, shell-r/],
  [['init', 'x', '--period', 'daily'], /--period: .*monthly, weekly/],
  [['init', 'x', '--path', 'nowhere'], /There is no folder .*nowhere/],
  [['init', 'x', '--template', 'mlproject', '--with-validation'], /take the template shell-r/],
  [['init', 'full'], /full is not empty/],
  [['init', 'file'], /file is a file/],
])('what cannot be used is told in a line, and nothing is written: %j', async (args, message) => {
  const cwd = emptyFolder()
  mkdirSync(join(cwd, 'full'))
  writeFileSync(join(cwd, 'full', 'mine.R'), 'x <- 1')
  writeFileSync(join(cwd, 'file'), '')
  const { code, out, err } = await chapkit(args, cwd)
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toMatch(message)
  expect(err.split('\n')[0]).toMatch(/^chapkit: /)
  expect(readdirSync(cwd, { recursive: true }).sort()).toEqual(['file', 'full', 'full/mine.R'])
})

test('a project that cannot be written whole leaves nothing behind', () => {
  const cwd = emptyFolder()
  // A file where a folder has to be: found out in the middle.
  const files = new Map([...planProject(choice), ['sample/data.csv/x', 'x']])
  expect(() => writeProject(join(cwd, 'dengue'), files, 'dengue')).toThrow(
    /^dengue cannot be made: .*Nothing was written$/,
  )
  expect(readdirSync(cwd)).toEqual([])
})

test('a folder that cannot be written is told', () => {
  expect(() => writeProject('/sys/dengue', planProject(choice), 'dengue')).toThrow(
    /^dengue cannot be made: (this user may not write there|the disk is read-only)\. Nothing/,
  )
})

test('on a terminal it asks for what is not given', async () => {
  const { terminal, type } = fakeTerminal()
  const asked = ask({ period: 'weekly' }, { isThere: () => false, terminal })
  await type('Dengue\r', 'try dengue')
  await type('\x15dengue\r', 'R scripts; base R is enough (Rscript is not installed)')
  await type('\x1b[B', '● class-ts')
  await type('\x1b[B', '● shell-r')
  await type('\r', 'How should people read its name?')
  await type(' now\r', 'With checks')
  await type('y', 'Yes')
  expect(await asked).toEqual({
    name: 'dengue',
    title: 'Dengue now',
    template: 'shell-r',
    period: 'weekly',
    validation: true,
  })
})

test('Ctrl-C at a question ends it with nothing written', async () => {
  const { terminal, type } = fakeTerminal()
  const asked = ask({}, { isThere: () => true, terminal })
  const ended = expect(asked).rejects.toMatchObject({ message: 'Nothing was written', exit: 130 })
  await type('\x03', 'What is it called?')
  await ended
})

/** Streams that look like a terminal, for a user who types. */
function fakeTerminal() {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
  const output = Object.assign(new PassThrough(), { isTTY: true, columns: 120, rows: 40 })
  let written = ''
  output.setEncoding('utf8').on('data', (chunk: string) => {
    written += chunk
  })
  return {
    terminal: { input, output },
    /** Types, and waits until what is drawn afterwards has a text. */
    async type(keys: string, expected: string) {
      written = ''
      input.write(keys)
      while (!stripVTControlCharacters(written).includes(expected)) await once(output, 'data')
    },
  }
}

test('every name that is accepted can be a folder, a package and the id of a service; what is proposed is accepted', () => {
  const names = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
  fc.assert(
    fc.property(names, (name) => {
      const problem = nameProblem(name)
      if (problem === undefined) expect(name).toMatch(/^[a-z][a-z0-9-]{0,59}$/)
      const proposed = /: try (.*)$/.exec(problem ?? '')?.[1]
      if (proposed !== undefined) expect(nameProblem(proposed) ?? '').not.toContain('Expected')
    }),
    { numRuns: 10_000 },
  )
  expect(nameProblem('dengue-2')).toBeUndefined()
  expect(toTitle('dengue-forecast')).toBe('Dengue forecast')
  expect(titleProblem(' ')).toContain('1 to 100')
})

test('whatever the title, files say it as it is', () => {
  const titles = fc.string({ minLength: 1, maxLength: 100 }).filter((title) => !titleProblem(title))
  fc.assert(
    fc.property(titles, (title) => {
      const options = { values: { title }, flags: new Set<string>() }
      expect(runInThisContext(render('a.ts', "'{{title}}'", options))).toBe(title)
      expect(parse(render('MLproject', 'a: "{{title}}"', options))).toEqual({ a: title })
    }),
    { numRuns: 10_000 },
  )
})

test('a template that is not sound is noticed', () => {
  const options = { values: {}, flags: new Set(['r']) }
  const text = '# {{#r}}\na\n# {{/r}}\n  // {{^r}}\nb\n  // {{/r}}\nc'
  expect(render('x', text, options)).toBe('a\nc')
  expect(() => render('x', '{{#r}}', options)).toThrow('does not close r')
  expect(() => render('x', '{{/r}}', options)).toThrow('closes r')
  expect(() => render('x', '{{wrong}}', options)).toThrow('unknown placeholder wrong')
})

test.each(['monthly', 'weekly'] as const)(
  'sample data has no gaps and is always the same: %s',
  (type) => {
    const files = makeSampleData(type)
    expect(makeSampleData(type)).toEqual(files)
    const [data, historic, future] = ['data', 'historic', 'future'].map((name) =>
      DataFrame.fromCsv(files[`${name}.csv`]!),
    )
    const indexes = (frame: DataFrame, location: unknown) =>
      frame
        .filter((row) => row.location === location)
        .toRecords()
        .map(({ time_period }) => parsePeriod(String(time_period))!.index)
    for (const location of data!.unique('location')) {
      const all = [...indexes(data!, location), ...indexes(future!, location)]
      expect(all).toEqual(all.map((_, at) => all[0]! + at))
      expect(
        all.slice(-indexes(future!, location).length - indexes(historic!, location).length),
      ).toEqual([...indexes(historic!, location), ...indexes(future!, location)])
    }
    expect(future!.has('disease_cases')).toBe(false)
    expect(Math.min(...data!.numbers('rainfall'))).toBeGreaterThanOrEqual(0)
  },
)

/** A variable in a compose file, empty where it is not set. */
const variable = (name: string) => `$\{${name}:-}`

test.each(templateNames)(
  'the image of %s is small and safe: sources, user, health, signals',
  (template) => {
    const files = planProject({ ...choice, template })
    const lines = files.get('Dockerfile')!.replaceAll('\\\n', ' ').split('\n')
    const given = (word: string) =>
      lines
        .filter((line) => line.startsWith(`${word} `))
        .map((line) => line.slice(word.length + 1).trim())

    for (const source of given('COPY').flatMap((line) => line.split(' ').slice(0, -1))) {
      if (source.startsWith('--from=') || source === '.' || source.startsWith('/')) continue
      // Absent until npm has written it.
      if (source === 'package-lock.json*') continue
      expect(files.has(source), source).toBe(true)
    }
    expect(
      given('FROM').every((image) => /^node:24-bookworm-slim( AS packages)?$/.test(image)),
    ).toBe(true)
    // A number, which is known not to be root.
    expect(given('USER')).toEqual(['1000:1000'])
    const [command] = given('CMD')
    const [, health] = given('HEALTHCHECK')[0]!.split('CMD ')
    for (const list of [command, health]) expect(JSON.parse(list!)[0]).toBe('node')
    const main = JSON.parse(command!)[1]
    expect(files.has(main) || main.startsWith('node_modules/chapkit/')).toBe(true)
    expect(health).toContain('/health/ready')
    // In `data` of the working directory, where who installs images puts the volume.
    expect(given('WORKDIR').at(-1)).toBe('/app')
    expect(given('VOLUME')).toEqual(['/app/data'])
    expect(given('RUN').at(-1)).toBe('mkdir -p data && chown 1000:1000 data')
    const environment = given('ENV').join(' ')
    expect(environment).toContain('CHAPKIT_DATA_DIR=/app/data')
    // Programs that write to their home have one that can be written.
    expect(environment).toContain('HOME=/tmp')
    expect(given('ARG')).toEqual(['GIT_REVISION=""'])
    expect(environment).toContain('GIT_REVISION=$GIT_REVISION')

    const compose = parse(files.get('compose.yml')!)
    expect(compose.services.dengue).toMatchObject({
      ports: ['127.0.0.1:8000:8000'],
      build: { context: '.', args: { GIT_REVISION: variable('GIT_REVISION') } },
      volumes: ['data:/app/data'],
      user: '1000:1000',
      read_only: true,
      tmpfs: ['/tmp'],
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      restart: 'unless-stopped',
    })
    expect(compose.services.dengue.environment).toMatchObject({
      SERVICEKIT_ORCHESTRATOR_URL: variable('SERVICEKIT_ORCHESTRATOR_URL'),
      SERVICEKIT_HOST: 'dengue',
    })
    expect(compose.volumes).toHaveProperty('data')
    for (const secret of ['.env', '.git', 'node_modules', 'data']) {
      expect(files.get('.dockerignore')!.split('\n')).toContain(secret)
    }
  },
)

test.each(templateNames)(
  'the workflow of %s publishes an image that knows its commit',
  (template) => {
    const workflow = parse(
      planProject({ ...choice, template }).get('.github/workflows/publish.yml')!,
    )
    const { permissions, steps } = workflow.jobs.image
    expect(permissions).toMatchObject({ packages: 'write', attestations: 'write' })
    const step = (name: string) =>
      steps.find(({ uses }: { uses?: string }) => uses?.startsWith(`${name}@`))?.with
    expect(step('docker/build-push-action')).toMatchObject({
      push: true,
      'build-args': `GIT_REVISION=$\{{ github.sha }}`,
    })
    expect(step('docker/login-action').registry).toBe('ghcr.io')
    expect(step('actions/attest-build-provenance')['subject-digest']).toContain(
      'push.outputs.digest',
    )
  },
)

test.each(templateNames)(
  'a service made from %s registers where the environment says so',
  (template) => {
    const files = planProject({ ...choice, template })
    // An MLproject is registered by `mlproject run`.
    if (template !== 'mlproject')
      expect(files.get('service.ts')).toContain(
        'if (process.env.SERVICEKIT_ORCHESTRATOR_URL) builder.withRegistration()',
      )
    expect(files.get(template === 'mlproject' ? 'MLproject' : 'service.ts')).toMatch(
      /version: '?1\.0\.0'?$|version: '1\.0\.0',$/m,
    )
  },
)

test.each(templateNames)('a project made from %s names only files that it has', (template) => {
  const files = planProject({ ...choice, template, validation: template !== 'mlproject' })
  const [, table] = files.get('README.md')!.split('## What is what')
  const named = [...table!.matchAll(/^\| ([^|]*) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
  )
  expect(named.length).toBeGreaterThan(4)
  for (const name of named)
    expect(
      [...files.keys()].some((path) => path === name || path.startsWith(name)),
      name,
    ).toBe(true)
  for (const [path, content] of files) {
    // Those of the workflow are GitHub's.
    if (!path.startsWith('.github/')) expect(content, path).not.toMatch(/\{\{/)
    expect(content.endsWith('\n'), path).toBe(true)
  }
})
