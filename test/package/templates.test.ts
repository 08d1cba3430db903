import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DataFrame } from 'chapkit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TemplateName, templateNames, templates } from '../../src/cli/init/templates.ts'
import { type Program, testWith } from '../setup/needs.ts'
import { pack, root, run, serve, workFolder } from './packed.ts'

const work = workFolder('templates')
let tarball: string
let chapkit: string

beforeAll(() => {
  tarball = pack(work.folder)
  // What `npx chapkit` does for someone who has nothing yet.
  const tool = join(work.folder, 'npx')
  mkdirSync(tool)
  run('npm', [...install, tarball], { cwd: tool })
  chapkit = join(tool, 'node_modules', '.bin', 'chapkit')
})
afterAll(work.remove)

const install = ['install', '--prefer-offline', '--no-audit', '--no-fund']

/** Each template, with checks of the data in one of each kind, by month and by week. */
const cases: readonly { template: TemplateName; options: string[] }[] = [
  { template: 'fn-ts', options: ['--with-validation', '--period', 'weekly'] },
  { template: 'class-ts', options: [] },
  { template: 'shell-r', options: ['--with-validation'] },
  { template: 'shell-python', options: ['--period', 'weekly'] },
  { template: 'mlproject', options: ['--title', `It's "new": {{here}}`] },
]

for (const { template, options } of cases) {
  const { needs } = templates[template]
  const testNeeds = needs === null ? test : testWith(needs.program as Program)
  testNeeds(
    `a project made from ${template} installs, passes its tests and forecasts`,
    async () => {
      const parent = join(work.folder, template)
      mkdirSync(parent)
      const args = ['init', 'dengue', '--template', template, '--chapkit', `file:${tarball}`]
      const said = run(chapkit, [...args, ...options], { cwd: parent }).stdout
      expect(readdirSync(parent)).toEqual(['dengue'])
      const cwd = join(parent, 'dengue')
      // The commands that it names are those that follow here.
      expect(said).toMatch(/^ {2}cd dengue\n {2}npm install\n {2}npm run dev\n/m)

      run('npm', install, { cwd })
      const tested = run('npm', ['test'], { cwd }).stdout
      expect(tested).toMatch(/^ℹ fail 0$/m)
      expect(tested).toMatch(/^ℹ pass [2-5]$/m)
      const { scripts } = JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8'))
      if ('types' in scripts) run('npm', ['run', 'types'], { cwd })
      if (options.includes('--with-validation'))
        expect(tested).toContain('a count below 0 is refused')

      const bin = join(cwd, 'node_modules', '.bin', 'chapkit')
      const [, ...start] = scripts.start.split(' ')
      const { url, end } = await serve(bin, [...start, '--port', '0'], { cwd })
      const client = { cwd, env: { CHAPKIT_URL: url } }
      expect(run(bin, ['train', 'sample/data.csv'], client).stdout).toContain('Trained the model')
      run(
        bin,
        [...'predict sample/historic.csv sample/future.csv -o forecast.csv'.split(' ')],
        client,
      )
      expectForecast(cwd)
      if (template === 'shell-r') {
        const table = run(
          bin,
          ['predict', 'sample/historic.csv', 'sample/future.csv'],
          client,
        ).stdout
        expect(readFileSync(join(root, 'docs/guides/init.md'), 'utf8')).toContain(table)
      }
      expect(run(bin, ['test', '--delay', '0'], client).stdout).toContain('works')
      const [model] = JSON.parse(run(bin, ['artifact', 'list', '--json'], client).stdout).filter(
        ({ parent_id }: { parent_id: string | null }) => parent_id === null,
      )
      run(bin, ['artifact', 'download', model.id], client)
      expect(readdirSync(cwd).filter((name) => name.endsWith('.zip'))).toHaveLength(1)
      expect(await end()).toBe(0)
    },
  )
}

test('every template is tried', () => {
  expect(cases.map(({ template }) => template)).toEqual(templateNames)
})

/** A row with a hundred samples for each period and location that was asked for, none of them out of this world. */
function expectForecast(cwd: string) {
  const read = (path: string) => DataFrame.fromCsv(readFileSync(join(cwd, path)))
  const [forecast, future, past] = ['forecast.csv', 'sample/future.csv', 'sample/data.csv'].map(
    read,
  )
  expect(forecast!.select(['time_period', 'location']).toRecords()).toEqual(
    future!.select(['time_period', 'location']).toRecords(),
  )
  expect(forecast!.columns).toHaveLength(102)
  const most = Math.max(...past!.numbers('disease_cases').filter((count) => !Number.isNaN(count)))
  for (let at = 0; at < 100; at++) {
    for (const count of forecast!.numbers(`sample_${at}`)) {
      expect(count).toBeGreaterThanOrEqual(0)
      expect(count).toBeLessThan(3 * most)
    }
  }
}
