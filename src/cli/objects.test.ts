import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testWith } from '../../test/setup/needs.ts'
import { createClient } from '../client/index.ts'
import { chapkit, folderWith, start } from './fixtures/run.ts'
import { listen } from './fixtures/service.ts'
import { createUse, data } from './fixtures/use.ts'

let service: Awaited<ReturnType<typeof listen>>
beforeAll(async () => {
  service = await listen()
  await createClient({ url: service.url }).configs.create({ name: 'default', data: {} })
})
afterAll(() => service.close())

const { aModel, json, use } = createUse(() => service.url)

describe('config', () => {
  test('is made, listed and changed by value', async () => {
    const made = await json(['config', 'create', 'weekly', '--set', 'prediction_periods=2'])
    expect(made).toMatchObject({ name: 'weekly', data: { prediction_periods: 2, mode: 'quick' } })
    expect((await use(['config', 'ls'])).out).toContain(`${made.id}  weekly`)
    const changed = await json(['config', 'edit', 'weekly', '--set', 'prediction_periods=6'])
    expect(changed).toMatchObject({ id: made.id, data: { prediction_periods: 6, mode: 'quick' } })
  })

  test('that the service refuses is told by its field', async () => {
    expect(await use(['config', 'create', 'bad', '--set', 'mode=slow'])).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('chapkit: data.mode: '),
    })
  })

  test('is read from a YAML file, with single values on top', async () => {
    const cwd = folderWith({ 'c.yml': 'prediction_periods: 9\nmode: fail\n' })
    const args = ['config', 'create', 'file', '--data', 'c.yml', '--set', 'mode=quick']
    expect((await json(args, { cwd })).data).toMatchObject({ prediction_periods: 9, mode: 'quick' })
  })

  testWith('script')(
    'is opened in an editor, again with the reason when it is refused',
    async () => {
      const { id } = await json(['config', 'create', 'edited'])
      const cwd = folderWith({
        'editor.sh': `
cat "$1" >> seen.txt
if grep -q 'Not stored' "$1"; then mode=fail; else mode=slow; fi
sed "s/mode: .*/mode: $mode/" "$1" > new.yml && cat new.yml > "$1"
`,
      })
      // A terminal of its own: an editor needs one.
      const words = [...chapkit, 'config', 'edit', 'edited'].map((word) => `'${word}'`).join(' ')
      const env = { CHAPKIT_URL: service.url, EDITOR: 'sh editor.sh' }
      const { code } = await start(['script', '-qec', words, 'typescript'], { cwd, env, input: '' })
        .ended
      expect(code).toBe(0)
      const { configs } = createClient({ url: service.url })
      expect(await configs.get(id)).toMatchObject({ name: 'edited', data: { mode: 'fail' } })
      expect(readFileSync(join(cwd, 'seen.txt'), 'utf8')).toContain('# Not stored: data.mode: ')
    },
  )

  test('asks for a value where there is no terminal for an editor', async () => {
    await json(['config', 'create', 'unseen'])
    const { code, err } = await use(['config', 'edit', 'unseen'])
    expect(code).toBe(2)
    expect(err).toContain('--set key=value')
  })

  test('with a name that several have is asked for by its id', async () => {
    const { id } = await json(['config', 'create', 'twin'])
    await json(['config', 'create', 'twin'])
    const { code, err } = await use(['train', 'train.csv', '--config', 'twin'], { cwd: data() })
    expect(code).toBe(1)
    expect(err).toContain(`2 configs are named 'twin': name one by its id: ${id}`)
  })
})

describe('artifact', () => {
  test('list and tree show a model and what was made from it', async () => {
    const cwd = data()
    const model = await aModel(cwd)
    const { artifact_id: prediction } = await json(['predict', 'train.csv', 'future.csv'], { cwd })
    expect((await use(['artifact', 'list', '--type', 'model', '--limit', '1'])).out).toMatch(
      new RegExp(`^id .*\n${model}  model  success`),
    )
    const tree = (await use(['artifact', 'tree', model])).out
    expect(tree).toMatch(new RegExp(`^${model}  model .*\n└─ ${prediction}  prediction`))
  })

  test('download writes the bytes of the service, and over nothing', async () => {
    const cwd = data()
    const model = await aModel(cwd)
    const args = ['artifact', 'download', model, '-o', 'model.zip']
    expect((await use(args, { cwd })).code).toBe(0)
    const { artifacts } = createClient({ url: service.url })
    const bytes = Buffer.from(await artifacts.download(model))
    expect(readFileSync(join(cwd, 'model.zip')).equals(bytes)).toBe(true)
    expect(await use(args, { cwd })).toMatchObject({ code: 1, out: '' })
    expect(readdirSync(cwd).sort()).toEqual(['future.csv', 'model.zip', 'train.csv'])
  })

  test('download to - prints the content alone', async () => {
    const cwd = data()
    await aModel(cwd)
    const { artifact_id: id } = await json(['predict', 'train.csv', 'future.csv'], { cwd })
    const { code, out, err } = await use(['artifact', 'download', id, '--format', 'csv', '-o', '-'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^time_period,location,sample_0/)
  })
})

describe('job', () => {
  test('watch --json prints each state on a line and ends with that of the job', async () => {
    const { job_id: id } = await json(['train', 'train.csv', '--no-wait'], { cwd: data() })
    const { code, out, err } = await use(['job', 'watch', id, '--json'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const states = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).status)
    expect(states.at(-1)).toBe('completed')
  })

  test('cancel stops a job, whose watch then ends with 1', async () => {
    const { job_id: id } = await json(
      ['train', 'train.csv', '--no-wait', '--config-data', 'mode=wait'],
      { cwd: data() },
    )
    const watching = start([...chapkit, 'job', 'watch', id, '--url', service.url])
    await watching.says(/half of it/)
    expect((await use(['job', 'cancel', id])).code).toBe(0)
    expect(await watching.ended).toMatchObject({ code: 1, out: '' })
    expect(watching.text.err).toContain(`The train job ${id} was canceled`)
  })

  test('list and logs show what runs and what it says', async () => {
    await aModel(data())
    expect((await use(['job', 'list', '--limit', '1'])).out).toMatch(
      /^id .*\n\w{26} {2}train {2}completed/,
    )
    expect((await use(['job', 'logs', 'latest'])).out).toBe('training with 4 rows\n')
    expect((await use(['job', 'logs', 'latest', '--follow'])).out).toBe('training with 4 rows\n')
  })
})
