import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { smallFile, wholeFile } from './fixtures/projects.ts'
import { toConfigSchema } from './options.ts'
import { readProject, toSlug } from './project.ts'

const toLine = ({ line, path, text }: { line: number; path: string; text: string }) =>
  `${line} ${path}: ${text}`

test('a file that says everything is read whole', () => {
  const { project, problems, warnings } = readProject(wholeFile)
  expect(problems).toEqual([])
  expect(project).toEqual({
    name: 'Dengue Lags',
    commands: {
      train: 'sh train.sh {train_data} {model} {model_config}',
      predict: 'sh predict.sh {model} {historic_data} {future_data} {out_file}',
    },
    options: [
      option('n-lags', 'integer', 'N Lags', 3, 'How many lags'),
      option('rate', 'number', 'Rate', 1),
      option('label', 'string', 'Label', '7'),
      option('fast', 'boolean', 'Fast', true),
      option('prior', 'path', 'The prior', null),
      option('seed', 'integer', 'Seed', undefined),
    ],
    info: {
      id: 'dengue-lags',
      display_name: 'Lags of dengue',
      description: 'Counts what was',
      period_type: 'weekly',
      min_prediction_periods: 1,
      max_prediction_periods: 12,
      required_covariates: ['rainfall'],
      allow_free_additional_continuous_covariates: true,
      requires_geo: true,
      model_metadata: {
        author: 'Ann',
        contact_email: 'ann@example.org',
        author_assessed_status: 'green',
      },
    },
    environmentFiles: ['conda.yaml'],
  })
  const env = 'is not set up: what the commands need has to be installed on this machine'
  expect(warnings.map(toLine)).toEqual([`2 docker_env: ${env}`, `4 conda_env: ${env}`])
})

function option(
  name: string,
  type: string,
  title: string,
  fallback: unknown,
  description: string | null = null,
) {
  return { name, type, title, description, default: fallback }
}

test('a small file is enough', () => {
  const { project, problems, warnings } = readProject(smallFile)
  expect({ problems, warnings }).toEqual({ problems: [], warnings: [] })
  expect(project?.info).toMatchObject({ id: 'small', display_name: 'small', requires_geo: false })
})

const points = smallFile.slice(smallFile.indexOf('entry_points'))
const head = 'name: a\nsupported_period_type: month\n'
const options = (text: string) => `${head}${points}user_options:\n${text}`

test.each<[string, string, string[]]>([
  ['nothing', '', ['1 : expected a mapping with name and entry_points']],
  ['a list', '- a\n', ['1 : expected a mapping with name and entry_points']],
  [
    'an empty mapping',
    '{}',
    [
      '1 name: expected a name, got none',
      '1 entry_points.train.command: expected the command that trains, got none',
      '1 entry_points.predict.command: expected the command that predicts, got none',
    ],
  ],
  [
    'wrong values everywhere, each with its line',
    'name: [a]\nentry_points:\n  train:\n    command: 3\n  predict: {command: " "}\nsupported_period_type: day\nrequired_covariates: rain\nrequires_geo: 2\nmeta_data: x\nmax_prediction_length: -1\n',
    [
      '1 name: expected a text, got a list',
      '4 entry_points.train.command: expected a text, got 3',
      '5 entry_points.predict.command: expected the command that predicts, got none',
      '6 supported_period_type: expected week, month or any, got "day"',
      '7 required_covariates: expected a list of texts, got "rain"',
      '8 requires_geo: expected true or false, got 2',
      '9 meta_data: expected a mapping of names to values, got "x"',
      '10 max_prediction_length: expected a whole number from 0, got -1',
    ],
  ],
  [
    'options that cannot be',
    options(
      '  a: { type: float64 }\n  b: { type: integer, default: 1.5 }\n  c: { type: number, default: x }\n  d: { type: boolean, default: 1 }\n  e: 3\n  1st: { type: integer }\n  prediction_periods: { type: integer }\n  additional_continuous_covariates: { type: string }\n  f: { type: string, default: [a] }\n',
    ),
    [
      '7 user_options.a.type: expected one of integer, number, string, boolean, path, got "float64"',
      '8 user_options.b.default: expected a whole number, got 1.5',
      '9 user_options.c.default: expected a number, got "x"',
      '10 user_options.d.default: expected true or false, got 1',
      '11 user_options.e: expected a mapping with type and default, got 3',
      '12 user_options.1st: expected a name that does not begin with a digit, got "1st"',
      '13 user_options.prediction_periods: is a name that the service uses itself; expected another name',
      '14 user_options.additional_continuous_covariates: is a name that the service uses itself; expected another name',
      '15 user_options.f.default: expected a text, got a list',
    ],
  ],
  ['a key that is there twice', `name: a\nname: b\n${points}`, ['2 : Map keys must be unique']],
])('%s is refused with all that is wrong', (_name, text, expected) => {
  const { project, problems } = readProject(text)
  expect(project).toBeNull()
  expect(problems.map(toLine)).toEqual(expected)
})

test('a file that multiplies itself is refused', () => {
  const lines = ['a0: &a0 [x]']
  for (let at = 1; at < 12; at++)
    lines.push(
      `a${at}: &a${at} [${Array(9)
        .fill(`*a${at - 1}`)
        .join(', ')}]`,
    )
  const { project, problems } = readProject(`${lines.join('\n')}\n${smallFile}`)
  expect(project).toBeNull()
  expect(problems).toHaveLength(1)
})

test('whatever the file has, it is read or refused', () => {
  const lines = wholeFile.split('\n')
  const odd = fc.oneof(
    fc.string(),
    fc.constantFrom(
      '- a',
      '? [a]: b',
      '&a [*a]',
      '*a',
      '<<: 3',
      '!!set {a}',
      '1: 2',
      '{',
      'x: |',
      '__proto__: {a: 1}',
    ),
    fc.jsonValue().map((value) => JSON.stringify(value)),
  )
  const edit = fc.record({
    at: fc.nat({ max: lines.length - 1 }),
    odd,
    keepsKey: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const edited = [...lines]
      for (const { at, odd, keepsKey } of edits)
        edited[at] = keepsKey ? (edited[at] ?? '').replace(/:.*/, () => `: ${odd}`) : odd
      const { project, problems } = readProject(edited.join('\n'))
      expect(project === null).toBe(problems.length > 0)
      if (project) toConfigSchema(project.options)
    }),
    { numRuns: 10_000 },
  )
})

test('YAML that cannot be read says where', () => {
  const { problems } = readProject('name: a\nentry_points: [\n')
  expect(problems[0]?.line).toBeGreaterThanOrEqual(2)
})

test('what has no effect is a warning', () => {
  const { project, warnings } = readProject(
    'name: a\nadapters: {}\ntarget: cases\nmeta_data:\n  contact_email: nobody\n  mood: good\nuser_options:\n  n: { default: 2, min: 1 }\nentry_points:\n  main: { command: ls }\n  train: { command: a }\n  predict: { command: b, stage: c }\n',
  )
  expect(warnings.map(toLine)).toEqual([
    '1 supported_period_type: is not given; the service is one for months',
    '2 adapters: has no effect: the scripts find the names of columns that clients send',
    '3 target: has no effect: clients send what is predicted as disease_cases',
    '5 meta_data.contact_email: is left out: Invalid email address',
    '6 meta_data.mood: is not known and has no effect',
    '8 user_options.n.min: is not known and has no effect',
    '8 user_options.n: has no type; taken as integer',
    '10 entry_points.main: is an entry point that no service has; it has no effect',
    '12 entry_points.predict.stage: is not known and has no effect',
  ])
  expect(project?.info).toMatchObject({ period_type: 'monthly', model_metadata: {} })
})

describe('the schema of configs', () => {
  const schema = toConfigSchema(readProject(wholeFile).project?.options ?? []) as z.ZodType

  test('has the options with their types, defaults and descriptions, names as they are', () => {
    const { properties, required } = z.toJSONSchema(schema, { io: 'input' })
    expect(properties).toMatchObject({
      prediction_periods: { type: 'integer', default: 3 },
      'n-lags': { type: 'integer', default: 3, title: 'N Lags', description: 'How many lags' },
      rate: { type: 'number', default: 1 },
      label: { type: 'string', default: '7' },
      fast: { type: 'boolean', default: true },
      prior: { default: null, title: 'The prior' },
    })
    expect(required).toEqual(['seed'])
  })

  test('wants the option without a default', () => {
    expect(schema.safeParse({}).success).toBe(false)
    expect(schema.parse({ seed: 1, more: 'x' })).toMatchObject({ 'n-lags': 3, seed: 1, more: 'x' })
  })
})

test.each([
  ['Dengue Lags', 'dengue-lags'],
  ['  --Àé__ç 2--', 'ae-c-2'],
  ['3 lags', 'model-3-lags'],
  ['模型', 'model'],
])('the id of %j is %s', (name, id) => {
  expect(toSlug(name)).toBe(id)
})
