import { describe, expect, test } from 'vitest'
import { MlProjectError, toServiceCommands } from './commands.ts'
import { smallFile, wholeFile } from './fixtures/projects.ts'
import { type MigrationInput, planMigration } from './migration.ts'
import { readProject } from './project.ts'

/** The input of a migration for a file among others. */
function input(
  text: string,
  files: Readonly<Record<string, string>> = {},
  more: Partial<MigrationInput> = {},
): MigrationInput {
  const { project } = readProject(text)
  if (project === null) throw new Error('the file has problems')
  const names = ['MLproject', ...Object.keys(files).map((path) => path.split('/')[0] ?? '')]
  return {
    project,
    commands: toServiceCommands(project, { params: {}, as: 'placeholders' }),
    file: 'MLproject',
    names: new Set(names),
    files: new Map(Object.entries(files)),
    baseImage: null,
    version: '1.2.3',
    workflow: 'name: publish\n',
    ...more,
  }
}

function textsOf(...given: Parameters<typeof input>) {
  const { writes } = planMigration(input(...given))
  return Object.fromEntries(writes.map(({ path, text }) => [path, text]))
}

const withTrain = (command: string) => smallFile.replace('sh train.sh {train_data}', command)

test('writes a service with all around it, and moves the MLproject file away', () => {
  const { writes, moves, kept } = planMigration(input(smallFile))
  expect(writes.map(({ path }) => path)).toEqual([
    'service.ts',
    'package.json',
    'tsconfig.json',
    'Dockerfile',
    'compose.yml',
    'CHAPKIT.md',
    '.github/workflows/publish.yml',
    'README.md',
    '.gitignore',
    '.dockerignore',
    '.chapkitignore',
  ])
  expect(moves).toEqual([{ from: 'MLproject', to: '_old/MLproject' }])
  expect(kept).toEqual([])
})

test('the service file has options, commands and what the file says of the model', () => {
  const text = textsOf(wholeFile)['service.ts'] ?? ''
  for (const part of [
    '.default([])',
    "  'n-lags': z.int().default(3).meta({ title: 'N Lags', description: 'How many lags' }),",
    "  prior: z.string().nullable().default(null).meta({ title: 'The prior' }),",
    "  seed: z.int().meta({ title: 'Seed' }),",
    "  trainCommand: 'sh train.sh {data_file} model config.yml',",
    "  predictCommand: 'sh predict.sh model {historic_file} {future_file} {output_file}',",
    "  configFormat: 'flat',",
    "    Cases: 'disease_cases',",
    "    version: '1.10',",
    "    target: 'cases',",
    '    hpo_search_space: {',
    'if (process.env.SERVICEKIT_ORCHESTRATOR_URL) builder.withRegistration()',
    "    period_type: 'weekly',",
    "      contact_email: 'ann@example.org',",
  ])
    expect(text).toContain(part)
  expect(text).not.toContain('shell')
  expect(textsOf(withTrain('a | b'))['service.ts']).toContain('shell: true')
})

test('texts of the file stay texts in the service file', () => {
  const text = 'a\'b"c`d\\n\u2028!'
  const file = `${smallFile}meta_data: { description: ${JSON.stringify(text)} }\n`
  const made = textsOf(file)['service.ts'] ?? ''
  const [, literal] = /description: (.*?),\n/s.exec(made) ?? []
  expect(new Function(`return ${literal}`)()).toBe(text)
})

test('the package depends on this version, and compose listens on this machine only', () => {
  const texts = textsOf(smallFile)
  expect(JSON.parse(texts['package.json'] ?? '')).toMatchObject({
    name: 'small',
    scripts: { start: 'chapkit serve service.ts --data-dir data' },
    dependencies: { chapkit: '^1.2.3' },
  })
  expect(texts['compose.yml']).toContain('127.0.0.1:9090:9090')
})

test('the scripts of the folder decide what the image has, where the commands name none of R or Python', () => {
  const scripts = { 'fit.R': 'library(mgcv)\n', 'plot.py': '' }
  const { Dockerfile, 'CHAPKIT.md': guide } = textsOf(smallFile, scripts)
  expect(Dockerfile).toContain('FROM rocker/r2u:24.04')
  expect(Dockerfile).toContain("'mgcv'")
  expect(Dockerfile).toContain('python3')
  expect(guide).toContain('the Dockerfile has R and Python for the scripts in the folder')
  const named = textsOf(withTrain('python3 train.py'), scripts)
  expect(named.Dockerfile).not.toContain('r2u')
  expect(named['CHAPKIT.md']).not.toContain('for the scripts in the folder')
})

test("a folder named data stays the model's", () => {
  const texts = textsOf(smallFile, { 'data/prior.txt': '' })
  expect(texts['package.json']).toContain('--data-dir service-data')
  expect(texts.Dockerfile).toContain('CHAPKIT_DATA_DIR=/service/data')
  expect(texts.Dockerfile).toContain('WORKDIR /service\nUSER 1000:1000\nVOLUME /service/data\n')
  expect(texts['compose.yml']).toContain('data:/service/data')
  expect(texts['.gitignore']).toContain('/service-data/')
  expect(texts['CHAPKIT.md']).toContain("data/ is the model's own")
})

test('a readme stays, lists of what to ignore grow, and nothing else is overwritten', () => {
  const { writes, moves, kept } = planMigration(
    input(smallFile, { 'README.md': 'mine', '.gitignore': '*.log\nnode_modules/' }),
  )
  expect(kept).toEqual(['README.md'])
  expect(moves).toContainEqual({ from: '.gitignore', to: '_old/.gitignore' })
  expect(writes.find(({ path }) => path === '.gitignore')?.text).toBe(
    '*.log\nnode_modules/\n/data/\n',
  )
})

test('what is there already just as it would be written is kept', () => {
  const texts = textsOf(smallFile)
  const { writes, kept } = planMigration(input(smallFile, texts))
  expect(writes).toEqual([])
  expect([...kept].sort()).toEqual(Object.keys(texts).sort())
})

test.each<[string, string, Record<string, string>, Partial<MigrationInput>, string]>([
  ['a migrated project', smallFile, { '_old/x': '' }, {}, '_old/ is there'],
  ['a file in the way', smallFile, { Dockerfile: 'FROM x' }, {}, 'Dockerfile is there and would'],
  [
    'a command that runs its file',
    withTrain('node ./service.ts'),
    {},
    {},
    'a command runs service',
  ],
  ['an image that is none', smallFile, {}, { baseImage: 'a\nRUN b' }, '--base-image: expected'],
])('%s is refused', (_name, file, files, more, reason) => {
  const refused = () => planMigration(input(file, files, more))
  expect(refused).toThrow(MlProjectError)
  expect(refused).toThrow(reason)
})

describe('the Dockerfile', () => {
  const image = (command: string, files: Record<string, string> = {}, more = {}) =>
    textsOf(withTrain(command), files, more).Dockerfile ?? ''

  test('has Node alone where nothing else is needed, a user without rights and a health check', () => {
    const text = image('sh train.sh')
    expect(text).toMatch(/^FROM node:24-bookworm-slim\n/)
    expect(text).toContain('USER 1000:1000')
    expect(text).toContain('HEALTHCHECK')
    expect(text).toContain('127.0.0.1:9090/health/ready')
  })

  test('has R with the packages that are locked', () => {
    const Packages = {
      dplyr: { Source: 'Repository' },
      renv: { Source: 'Repository' },
      own: { Source: 'GitHub' },
      stats: {},
      "x'); system('id": {},
    }
    const files = { 'renv.lock': JSON.stringify({ Packages }), 'a.R': 'library(other)' }
    const text = image('Rscript train.R', files)
    expect(text).toContain('FROM rocker/r2u:24.04')
    expect(text).toContain('COPY --from=node /usr/local/bin/node')
    expect(text).toContain("install.packages(c('dplyr', 'own'))")
    const { notes } = planMigration(input(withTrain('Rscript train.R'), files))
    expect(notes).toEqual(['renv.lock has own from GitHub: look whether CRAN has it'])
  })

  test('has R with the packages that scripts load, INLA from where it is', () => {
    const text = image('Rscript train.R', {
      'train.R': 'library(tidyverse)\n# library(no)\nrequire("INLA")\nyaml::read_yaml("x")\n',
      'lib/help.R': 'suppressMessages(library(stats))',
    })
    expect(text).toContain("install.packages(c('tidyverse', 'yaml'))")
    expect(text).toContain('r-inla-download.org')
  })

  test('leaves packages of renv to the image, where the scripts are told so', () => {
    const files = { '.Rprofile': 'source("renv/activate.R")\n', 'renv.lock': '{}' }
    expect(image('Rscript train.R', files)).toContain('ENV RENV_CONFIG_AUTOLOADER_ENABLED=FALSE')
    const service = textsOf(withTrain('Rscript train.R'), files)['service.ts']
    expect(service).toContain("  env: ['RENV_CONFIG_AUTOLOADER_ENABLED'],")
  })

  test('has Python with its requirements', () => {
    const text = image('python train.py', { 'requirements.txt': 'numpy\n' })
    expect(text).toContain('FROM python:3.13-slim-bookworm')
    expect(text).toContain('pip install --no-cache-dir -r /tmp/requirements.txt')
  })

  test('has Python with the packages of its environment, whose file is not needed any more', () => {
    const file = `${withTrain('python train.py')}conda_env: conda.yaml\n`
    const files = {
      'conda.yaml': "dependencies: [python=3.11, numpy>=1.2, {pip: [pandas, 'x; id']}]",
    }
    expect(textsOf(file, files).Dockerfile).toContain(
      "pip install --no-cache-dir 'numpy>=1.2' 'pandas'\n",
    )
    expect(planMigration(input(file, files)).moves).toContainEqual({
      from: 'conda.yaml',
      to: '_old/conda.yaml',
    })
    const named = file.replace('train.py', 'train.py --env=conda.yaml')
    expect(planMigration(input(named, files)).moves).toHaveLength(1)
  })

  test('has both where both are needed', () => {
    const text = image('Rscript train.R', { 'pyproject.toml': '' })
    expect(text).toContain('FROM rocker/r2u:24.04')
    expect(text).toContain('python3-pip')
    expect(text).toContain('uv pip install')
  })

  test('builds on the image that is named', () => {
    expect(image('Rscript a.R', {}, { baseImage: 'example/r:1' })).toContain('FROM example/r:1\n')
  })
})
