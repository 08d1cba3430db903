import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { FunctionalModelRunner, type ListenOptions, MLServiceBuilder } from 'chapkit'
import { describe, expect, onTestFinished, test } from 'vitest'
import users from '../examples/users/service.ts'
import { collections } from '../scripts/postman-examples.ts'
import { toCollection } from '../src/postman/collection.ts'
import { parseOpenApi } from '../src/postman/document.ts'
import type { Collection, Item } from '../src/postman/schema.ts'
import { numpyPath, type Program, testWith } from './setup/needs.ts'
import { runCollection } from './setup/newman.ts'
import { serve } from './setup/serve.ts'

const root = join(import.meta.dirname, '..')
const read = (name: string): Collection =>
  JSON.parse(readFileSync(join(root, 'docs/postman', `${name}.json`), 'utf8'))

/** For the examples that ask for one. */
const key = 'right'.repeat(8)

const needs: Readonly<Record<string, readonly Program[]>> = {
  'shell-python': ['python3', 'numpy'],
  spatial: ['python3'],
  'shell-r': ['Rscript'],
  'mlproject-r': ['Rscript'],
}

test('every collection belongs to an example', () => {
  const files = readdirSync(join(root, 'docs/postman')).filter((name) => name.endsWith('.json'))
  expect(files.sort()).toEqual(collections.map(({ name }) => `${name}.json`).sort())
})

describe.each(collections)('the collection of $name', ({ name, source }) => {
  test('is what `npm run postman` writes', () => {
    const { stdout, status } = spawnSync(
      process.execPath,
      ['--conditions=chapkit-source', 'src/cli/bin.ts', 'openapi', source, '--postman'],
      { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 },
    )
    expect(status).toBe(0)
    const written = readFileSync(join(root, 'docs/postman', `${name}.json`), 'utf8')
    expect(written === stdout, 'out of date: npm run postman').toBe(true)
  })

  testWith(...(needs[name] ?? []))('walks through the example, all assertions true', async () => {
    const served = await serve(join(root, source), {
      env: { PATH: numpyPath, CHAPKIT_API_KEYS: key },
    })
    const { failures, assertions, requests } = await runCollection(read(name), {
      base_url: served.url,
      api_key: key,
      poll_pause: '200',
    })
    expect(failures).toEqual([])
    // A run of the whole collection is the walk: what follows it is for looking things up.
    expect(requests).toContain('Delete the config')
    expect(requests).not.toContain('Delete a config')
    expect(assertions).toBeGreaterThan(50)
  })
})

test('every operation is in a folder, and answers as its request expects', async () => {
  const { url } = await serve(join(root, 'examples/class-model/service.ts'))
  const whole = read('class-model')
  const [walk, ...folders] = whole.item
  const isCleanUp = ({ name }: Item) => /\. Delete /.test(name)
  const isStream = ({ request }: Item) => request.url.raw.endsWith('/$stream')
  const collection = {
    ...whole,
    item: [
      { ...walk!, item: walk!.item.filter((item) => !isCleanUp(item)) },
      ...folders.map((folder) => ({
        ...folder,
        item: folder.item.filter((item) => !isStream(item)),
      })),
    ],
  }
  const { failures, requests, statuses } = await runCollection(collection, {
    base_url: url,
    poll_pause: '200',
  })
  expect(failures).toEqual([])
  const document = parseOpenApi(await (await fetch(`${url}/openapi.json`)).json())
  const known = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.values(item).map(({ summary }) => ({ path, summary })),
  )
  for (const { path, summary } of known) {
    if (!/\$stream|^\/docs|^\/$/.test(path)) expect(requests).toContain(summary)
  }
  // Ids that were captured reach the requests: nearly all of them find what they ask for.
  expect(statuses.filter((status) => status < 300).length).toBeGreaterThan(40)
})

test('a service without a model is walked through by what it has', async () => {
  const { url } = await users.listen(quietly)
  onTestFinished(() => users.close())
  const collection = await collectionOf(url)
  for (const _ of ['once', 'and again'])
    expect(await runCollection(collection)).toMatchObject({
      failures: [],
      requests: [
        'Is the service well?',
        'What is it?',
        'Create a user',
        'Read the user',
        'List the users',
        'Delete the user',
      ],
    })
})

const quietly: ListenOptions = {
  port: 0,
  logLevel: 'silent',
  databaseUrl: ':memory:',
  signals: false,
  hosting: 'inline',
}

/** The collection of a service that runs. */
async function collectionOf(url: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${url}/openapi.json`, { headers })
  return toCollection(parseOpenApi(await answer.json()), { baseUrl: url })
}

describe('newman fails', () => {
  test('where a training fails, with the reason, and asks for nothing that needs the model', async () => {
    const runner = new FunctionalModelRunner({
      onTrain: () => {
        throw new Error('The rain is missing')
      },
      onPredict: ({ future }) => future,
    })
    const info = { id: 'broken', display_name: 'Broken', period_type: 'monthly' } as const
    await using service = new MLServiceBuilder({ info, runner }).build()
    const { url } = await service.listen(quietly)
    const { failures, requests } = await runCollection(await collectionOf(url), {
      poll_pause: '50',
    })
    expect(failures).toEqual([
      expect.stringMatching(/Job has completed: .*The rain is missing.*'failed'.*'completed'/s),
    ])
    expect(requests.at(-1)).toBe('Wait until it is trained')
  })

  test('where a job takes longer than it may', async () => {
    const gate = Promise.withResolvers<object>()
    const runner = new FunctionalModelRunner({
      onTrain: () => gate.promise,
      onPredict: ({ future }) => future,
    })
    const info = { id: 'slow', display_name: 'Slow', period_type: 'monthly' } as const
    await using service = new MLServiceBuilder({ info, runner }).build()
    const { url } = await service.listen(quietly)
    const { failures, requests } = await runCollection(await collectionOf(url), {
      ...{ poll_pause: '10', poll_limit: '4' },
    })
    gate.resolve({})
    expect(failures).toEqual([expect.stringMatching(/Job has completed: .*'running'/s)])
    expect(requests.filter((name) => name === 'Wait until it is trained')).toHaveLength(4)
  })

  test('where a prediction has no samples', async () => {
    const runner = new FunctionalModelRunner({
      onTrain: () => ({}),
      onPredict: ({ future }) => future.derive('mean', () => 1),
    })
    const info = { id: 'broken', display_name: 'Broken', period_type: 'monthly' } as const
    await using service = new MLServiceBuilder({ info, runner }).build()
    const { url } = await service.listen(quietly)
    const { failures } = await runCollection(await collectionOf(url), { poll_pause: '50' })
    expect(failures).toEqual([expect.stringMatching(/Job has completed: .*'failed'/s)])
  })

  test('where the key is not the right one', async () => {
    const runner = new FunctionalModelRunner({
      onTrain: () => ({}),
      onPredict: ({ future }) => future.derive('sample_0', () => 1),
    })
    const info = { id: 'closed', display_name: 'Closed', period_type: 'monthly' } as const
    await using service = new MLServiceBuilder({ info, runner }).withAuth().build()
    const { url } = await service.listen({ ...quietly, apiKeys: ['right'.repeat(8)] })
    const collection = await collectionOf(url, { 'x-api-key': 'right'.repeat(8) })
    const pause = { poll_pause: '50' }
    const right = await runCollection(collection, { ...pause, api_key: 'right'.repeat(8) })
    expect(right.failures).toEqual([])
    const wrong = await runCollection(collection, { ...pause, api_key: 'wrong'.repeat(8) })
    expect(wrong.failures).toContainEqual(expect.stringContaining('Status is 201'))
  })

  test('where something else answers', async () => {
    const server = createServer((_, response) => response.end('<p>Welcome</p>')).listen(
      0,
      '127.0.0.1',
    )
    await new Promise((resolve) => server.once('listening', resolve))
    onTestFinished(() => void server.close())
    const { failures } = await runCollection(read('class-model'), {
      base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    })
    expect(failures.length).toBeGreaterThan(3)
  })
})
