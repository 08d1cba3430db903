import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { collections } from '../scripts/postman-examples.ts'
import { isUlid } from '../src/kernel/id.ts'
import { numpyPath, type Program, testWith } from './setup/needs.ts'
import { blocksOf, runCommands, shapeOf } from './setup/pages.ts'
import { serve } from './setup/serve.ts'

const root = join(import.meta.dirname, '..')
const pages = globSync('docs/workflows/*.md', { cwd: root })
  .filter((page) => !page.endsWith('README.md'))
  .sort()

const needs: Readonly<Record<string, readonly Program[]>> = {
  'shell-python': ['python3', 'numpy', 'unzip'],
  spatial: ['python3'],
  'shell-r': ['Rscript', 'unzip'],
  'mlproject-r': ['Rscript', 'unzip'],
}

test('every example of a model has a page, and the list leads to it', () => {
  const names = pages.map((page) => basename(page, '.md'))
  expect(names).toEqual(collections.map(({ name }) => name).sort())
  const list = readFileSync(join(root, 'docs/workflows/README.md'), 'utf8')
  for (const name of names) expect(list).toContain(`(${name}.md)`)
})

describe.each(pages)('the commands of %s', (page) => {
  const name = basename(page, '.md')
  const { source } = collections.find((each) => each.name === name) ?? { source: '' }

  testWith(
    'bash',
    'curl',
    'jq',
    ...(needs[name] ?? []),
  )('print what the page shows', async () => {
    const blocks = blocksOf(page)
    const commands = blocks.filter(({ info }) => info === 'bash').map(({ code }) => code)
    const [start, ...others] = commands
    expect(start).toContain(source)
    const { url } = await serve(join(root, source), {
      env: { PATH: numpyPath, CHAPKIT_API_KEYS: 'try-me' },
    })
    const script = others.join('\n').replace(/http:\/\/localhost:\d+/g, url)
    const { stdout, stderr, status } = await runCommands(script)
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    const shown = blocks.filter(({ info }) => info === '').map(({ code }) => code)
    expect(shapeOf(stdout)).toEqual(shapeOf(shown.join('')))
  })
})

describe('the sample data', () => {
  const read = (name: string) =>
    JSON.parse(readFileSync(join(root, `docs/sample-data/${name}.json`), 'utf8'))

  test('name each other by ids that clients may choose', () => {
    const { id } = read('config')
    expect(isUlid(id)).toBe(true)
    for (const name of ['train', 'train-with-map']) expect(read(name).config_id).toBe(id)
    for (const name of ['predict', 'predict-with-map'])
      expect(isUlid(read(name).artifact_id)).toBe(true)
  })

  test('ask for the months that follow, as many as the config says, and say no cases of them', () => {
    const { data } = read('train')
    const { historic, future } = read('predict')
    const periods = (frame: { data: unknown[][] }) => [...new Set(frame.data.map(([at]) => at))]
    expect(historic).toEqual(data)
    expect(periods(historic).at(-1)).toBe('2022-12')
    expect(periods(future)[0]).toBe('2023-01')
    expect(periods(future)).toHaveLength(read('config').data.prediction_periods)
    expect(future.columns).toEqual(data.columns.filter((name: string) => name !== 'disease_cases'))
  })

  test('have a polygon of every location', () => {
    const { data, geo } = read('train-with-map')
    const named = geo.features.map(
      ({ properties }: { properties: { id: string } }) => properties.id,
    )
    expect(named).toEqual([...new Set(data.data.map((row: unknown[]) => row[1]))])
  })
})
