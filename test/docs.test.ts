import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { templates } from '../src/cli/init/templates.ts'
import type { Service } from '../src/index.ts'
import { createTestService, type TestService } from '../src/testing/index.ts'
import { checkBlock, fileOf } from './setup/block-kinds.ts'
import { testWith } from './setup/needs.ts'
import { blocksOf, sitePages } from './setup/pages.ts'

const root = join(import.meta.dirname, '..')
const pages = ['README.md', ...sitePages()]
const folder = join(root, 'test', '.docs')

/** Code of the fenced blocks of a page whose info string is exactly `info`. */
function blocks(page: string, info: string): string[] {
  return blocksOf(page)
    .filter(({ info: found }) => found === info)
    .map(({ code }) => code)
}

/** Writes a block where Node finds `chapkit` as its users do, and answers its path. */
function toFile(page: string, index: number, code: string): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${page.replace(/\W+/g, '-')}-${index + 1}.ts`)
  writeFileSync(file, code)
  return file
}

describe.each(pages)('%s', (page) => {
  const programs = blocks(page, 'ts run')
  test.each(programs.map((code, index) => ({ code, index, number: index + 1 })))(
    'program $number runs',
    async ({ code, index }) => {
      // Vitest would also run what Node itself cannot: only types that can be erased.
      expect(() => stripTypeScriptTypes(code)).not.toThrow()
      await expect(import(toFile(page, index, code))).resolves.toBeDefined()
    },
  )

  test('every block is of a kind that is run, read or marked as what was printed', async () => {
    const wrong: string[] = []
    for (const block of blocksOf(page)) {
      await checkBlock(block).catch((error: Error) =>
        wrong.push(`\`\`\`${block.info}: ${error.message}`),
      )
    }
    expect(wrong).toEqual([])
  })

  test('links lead to files that are there', () => {
    const text = readFileSync(join(root, page), 'utf8')
    const targets = [...text.matchAll(/\]\((?!https?:|#|\/api\/)([^)#\s]+)/g)].map(
      ([, target]) => target!,
    )
    const missing = targets.filter((target) => !existsSync(join(root, page, '..', target)))
    expect(missing).toEqual([])
  })
})

test('the types of all programs fit', () => {
  const files = pages.flatMap((page) =>
    blocks(page, 'ts run').map((code, index) => toFile(page, index, code)),
  )
  const config = join(folder, 'tsconfig.json')
  writeFileSync(config, JSON.stringify({ extends: '../../tsconfig.json', include: [], files }))
  const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', config], {
    cwd: root,
    encoding: 'utf8',
  })
  expect(stdout.split('\n').filter((line) => line.startsWith('test/.docs/'))).toEqual([])
})

describe('commands', () => {
  let service: TestService
  let paths: string[]

  beforeAll(async () => {
    const file = toFile('README.md', 0, blocks('README.md', 'ts run')[0]!)
    const { default: readme } = (await import(file)) as { default: Service }
    service = await createTestService(readme)
    const { json } = await service.request('GET', '/openapi.json')
    paths = Object.keys(json.paths)
  })
  afterAll(() => service.close())

  const commands = pages
    // Their services have paths of their own.
    .filter(
      (page) =>
        !/custom-entities|monitoring|routes|tasks|workflows\/(full|library|tasks)/.test(page),
    )
    .flatMap((page) => blocks(page, 'bash').map((code) => ({ page, code })))

  test.each(commands)('name endpoints that exist: $page', ({ code }) => {
    const urls = [...code.matchAll(/localhost:\d+(\/[^\s'"?)]*)/g)].map(([, path]) => toPath(path!))
    expect(urls.filter((path) => !paths.includes(path))).toEqual([])
  })

  test.each(commands)('name npm scripts that exist: $page', ({ code }) => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    // Those of this repository, and those of projects that init makes.
    const ofProjects = Object.values(templates).flatMap((template) => Object.keys(template.scripts))
    const known = ['test', ...Object.keys(scripts), ...ofProjects]
    const named = [...code.matchAll(/npm (?:run )?(start|test|run \S+)/g)]
    const names = named.map(([, name]) => name!.replace('run ', ''))
    expect(names.filter((name) => !known.includes(name))).toEqual([])
  })
})

/** A path of a command in the words of the OpenAPI document: `$MODEL` is a parameter, `$tree` an operation. */
function toPath(path: string): string {
  return path
    .replaceAll('\\$', '$')
    .replace(/\/\$[A-Z_]+/g, '/{id}')
    .replace(/\/[0-9A-HJKMNP-TV-Z]{26}/g, '/{id}')
}

testWith('bash', 'curl', 'jq', 'unzip').each([
  ...['README.md', 'docs/guides/shell-models.md', 'docs/guides/tasks.md'],
])('the commands of %s, in their order, print what it shows', async (page) => {
  const cwd = mkdtempSync(join(tmpdir(), 'chapkit-page-'))
  writeFileSync(join(cwd, 'service.ts'), blocks(page, 'ts run')[0]!)
  await whileServing(cwd, ['serve', 'service.ts'], async (url) => {
    const script = blocks(page, 'bash')
      // The service is there already.
      .filter((code) => !/^np[mx] /m.test(code))
      .join('\n')
      .replaceAll('http://localhost:8000', url)
    const { stdout, stderr, status } = await shell(script, cwd)
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(stdout).toBe(blocks(page, '').join(''))
  })
})

testWith(
  'bash',
  'curl',
  'jq',
)('the project of the MLproject guide is served, and would be migrated, as it shows', async () => {
  const page = 'docs/guides/mlproject.md'
  const cwd = mkdtempSync(join(tmpdir(), 'chapkit-mlproject-'))
  for (const { info, code } of blocksOf(page)) {
    const file = fileOf(info)
    if (file !== null) writeFileSync(join(cwd, file), code)
  }
  const [printed, plan] = blocks(page, '')
  await whileServing(cwd, ['mlproject', 'run', '.'], async (url) => {
    const script = blocks(page, 'bash')
      .filter((code) => code.includes('curl'))
      .join('\n')
      .replaceAll('http://localhost:9090', url)
    const { stdout, stderr, status } = await shell(script, cwd)
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(stdout).toBe(printed)
    const { stdout: dry } = spawnSync(
      process.execPath,
      [...chapkit, 'mlproject', 'migrate', '.', '--dry-run'],
      { cwd, encoding: 'utf8' },
    )
    expect(dry.slice(0, plan!.length)).toBe(plan)
  })
})

testWith(
  'bash',
  'jq',
  'unzip',
)('the commands of the guide to the command line print what it shows', async () => {
  const page = 'docs/guides/command-line.md'
  const cwd = mkdtempSync(join(tmpdir(), 'chapkit-page-'))
  writeFileSync(join(cwd, 'service.ts'), blocks(page, 'ts run')[0]!)
  // Every run has ids of its own.
  const withoutIds = (text: string) => text.replace(/\b[0-9A-HJKMNP-TV-Z]{26}\b/g, 'ID')
  await whileServing(cwd, ['serve', 'service.ts'], async (url) => {
    const command = [process.execPath, ...chapkit].map((word) => `'${word}'`).join(' ')
    const script = [
      `export CHAPKIT_URL=${url}`,
      `chapkit() { ${command} "$@"; }`,
      ...blocks(page, 'bash'),
    ].join('\n')
    const { stdout, stderr, status } = await shell(script, cwd)
    expect(status, stderr).toBe(0)
    expect(withoutIds(stdout)).toBe(withoutIds(blocks(page, '').join('')))
  })
})

const chapkit = ['--conditions=chapkit-source', join(root, 'src/cli/bin.ts')]

/** Starts a service in a folder, and ends both when `use` is done with its address. */
async function whileServing(cwd: string, args: string[], use: (url: string) => Promise<void>) {
  const server = spawn(process.execPath, [...chapkit, ...args, '--port', '0'], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LOG_FORMAT: 'json' },
  })
  try {
    let said = ''
    const url = await new Promise<string>((resolve, reject) => {
      const hear = (chunk: Buffer) => {
        said += chunk
        const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said)
        if (found) resolve(found[0])
      }
      server.stdout.on('data', hear)
      server.stderr.on('data', hear)
      server.on('exit', (code) => reject(new Error(`the service ended with ${code}: ${said}`)))
    })
    await use(url)
  } finally {
    const ended = new Promise((resolve) => server.on('exit', resolve))
    server.kill('SIGTERM')
    await ended
    rmSync(cwd, { recursive: true, force: true })
  }
}

function shell(script: string, cwd: string) {
  return new Promise<{ stdout: string; stderr: string; status: number | null }>((resolve) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { cwd })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    child.on('close', (status) => resolve({ stdout, stderr, status }))
  })
}
