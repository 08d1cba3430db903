import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  attempt,
  installTools,
  node24,
  pack,
  type RunOptions,
  run,
  serve,
  workFolder,
} from './packed.ts'

const work = workFolder('managers')
let tarball: string
let tools: string

beforeAll(() => {
  tarball = pack(work.folder)
  tools = installTools()
})
afterAll(work.remove)

interface Manager {
  /** What its folder has before it installs. */
  files: Readonly<Record<string, string>>
  install: (tools: string) => [program: string, args: string[]]
}

const managers: Readonly<Record<string, Manager>> = {
  npm: {
    files: {},
    install: () => ['npm', ['install', '--prefer-offline', '--no-audit', '--no-fund']],
  },
  pnpm: {
    files: {},
    install: (tools) => [join(tools, 'pnpm'), ['install', '--prefer-offline']],
  },
  yarn: {
    files: { '.yarnrc.yml': 'nodeLinker: node-modules\n', 'yarn.lock': '' },
    install: (tools) => [join(tools, 'yarn'), ['install']],
  },
}

/** By the folder of their programs. */
const nodes = { 'Node 24': () => node24, 'Node 26': () => tools }

describe.each(Object.entries(managers))('installed with %s', (name, manager) => {
  let cwd: string
  beforeAll(() => {
    cwd = install(name, manager)
  })

  test.each(Object.entries(nodes))(
    'a service trains and forecasts on %s',
    async (version, node) => {
      const options: RunOptions = { cwd, node: node() }
      const [, major] = version.split(' ')
      expect(run('node', ['--version'], options).stdout).toMatch(`v${major}.`)

      const bin = join(cwd, 'node_modules', '.bin', 'chapkit')
      const args = ['serve', 'service.ts', '--port', '0', '--data-dir', `data-${major}`]
      const { url, end } = await serve(bin, args, options)
      const client = { ...options, env: { CHAPKIT_URL: url } }
      // Trains in a process of its own, which has to find the package as well.
      expect(run(bin, ['test', '--delay', '0'], client).stdout).toContain('works')
      expect(await end()).toBe(0)
    },
  )
})

test("with Yarn's Plug'n'Play a service says what to do", () => {
  const cwd = install('pnp', {
    files: { '.yarnrc.yml': 'nodeLinker: pnp\n', 'yarn.lock': '' },
    install: (tools) => [join(tools, 'yarn'), ['install']],
  })
  const args = ['chapkit', 'serve', 'service.ts', '--port', '0']
  const { status, stderr } = attempt(join(tools, 'yarn'), args, { cwd })
  expect(stderr).toContain('put `nodeLinker: node-modules` into .yarnrc.yml')
  expect(status).toBe(1)
})

/** A project that has the package from a package manager. */
function install(name: string, { files, install }: Manager): string {
  const cwd = join(work.folder, name)
  mkdirSync(cwd)
  const dependencies = { chapkit: `file:${tarball}` }
  const content = { name: 'tried', private: true, type: 'module', dependencies }
  const all = { ...files, 'package.json': JSON.stringify(content), 'service.ts': serviceFile }
  for (const [file, text] of Object.entries(all)) writeFileSync(join(cwd, file), text)
  // Yarn does not change its lockfile where it believes to be tested, and tells its makers who uses it.
  const env = { YARN_ENABLE_IMMUTABLE_INSTALLS: 'false', YARN_ENABLE_TELEMETRY: '0' }
  run(...install(tools), { cwd, env })
  return cwd
}

const serviceFile = `
import { FunctionalModelRunner, MLServiceBuilder } from 'chapkit'
const runner = new FunctionalModelRunner({
  onTrain: ({ data, log }) => {
    if (process.env.CHAPKIT_HOST !== '1') throw new Error('Expected a process of its own')
    log(process.version)
    return { rows: data.length }
  },
  onPredict: ({ model, future }) =>
    future.select(['time_period', 'location']).derive('sample_0', () => model.rows),
})
const info = { id: 'tried', display_name: 'Tried', period_type: 'monthly' } as const
export default new MLServiceBuilder({ info, runner }).build()
`
