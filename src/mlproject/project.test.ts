import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { parseConfigData } from '../config/configs.ts'
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
      option('n-lags', { type: 'integer' }, 'N Lags', 3, 'How many lags'),
      option('rate', { type: 'number' }, 'Rate', 1),
      option('label', { type: 'string' }, 'Label', '7'),
      option('fast', { type: 'boolean' }, 'Fast', true),
      option('prior', { type: 'string' }, 'The prior', null),
      option('seed', { type: 'integer' }, 'Seed', undefined),
    ],
    defaults: {},
    adapters: { Cases: 'disease_cases', wk: 'week' },
    configFormat: 'flat',
    info: {
      id: 'dengue-lags',
      display_name: 'Lags of dengue',
      version: '1.10',
      target: 'cases',
      hpo_search_space: { rate: { low: 0.1, high: 1 } },
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
        repository_url: 'https://example.org/lags',
      },
    },
    environmentFiles: ['conda.yaml'],
  })
  const env = 'is not set up: what the commands need has to be installed on this machine'
  expect(warnings.map(toLine)).toEqual([`2 docker_env: ${env}`, `4 conda_env: ${env}`])
})

function option(
  name: string,
  schema: Readonly<Record<string, unknown>>,
  title: string,
  fallback: unknown,
  description: string | null = null,
) {
  return { name, schema, title, description, default: fallback, fits: true }
}

test('a small file is enough', () => {
  const { project, problems, warnings } = readProject(smallFile)
  expect({ problems, warnings }).toEqual({ problems: [], warnings: [] })
  expect(project?.info).toMatchObject({ id: 'small', display_name: 'small', requires_geo: false })
})

const points = smallFile.slice(smallFile.indexOf('entry_points'))

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
    'what a service cannot do without, each with its line',
    'name: [a]\nentry_points:\n  train:\n    command: 3\n  predict: {command: " "}\nuser_options:\n  1st: { type: integer }\n  user_option_values: { type: string }\n',
    [
      '1 name: expected a text, got a list',
      '4 entry_points.train.command: expected a text, got 3',
      '5 entry_points.predict.command: expected the command that predicts, got none',
      '7 user_options.1st: expected a name that does not begin with a digit, got "1st"',
      '8 user_options.user_option_values: is a name that the service uses itself; expected another name',
    ],
  ],
  [
    'a name that is none',
    `${smallFile}user_options:\n  "": 1\n  "a\\nb": 2\n`,
    [
      '7 user_options.: expected a name on one line that does not begin with a space, got ""',
      '8 user_options.a\\nb: expected a name on one line that does not begin with a space, got "a\\nb"',
    ],
  ],
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
      if (project) toConfigSchema(project)
    }),
    { numRuns: 10_000 },
  )
}, 180_000)

test.each<[string, string, string]>([
  [
    'a list without an end',
    'name: a\nentry_points: [\n',
    '3 : Flow sequence in block collection must be',
  ],
  [
    'a second document',
    `${smallFile}---\nname: b\n`,
    `: expected one document, got another one behind`,
  ],
  [
    'braces without quotes',
    'name: a\nentry_points:\n  train: {command: sh train.sh {model}}\n  predict: {command: b}\n',
    '3 : Unexpected flow-map-start at node end; a text with braces in it needs quotes',
  ],
])('YAML that cannot be read says where, once: %s', (_name, text, said) => {
  const { problems } = readProject(text)
  expect(problems.map(toLine)).toEqual([expect.stringContaining(said)])
})

/** What is said of a file with a head, the two commands and more lines. */
function read(more: string, upper = 'name: a\n') {
  const { project, problems, warnings } = readProject(`${upper}${points}${more}`)
  expect(problems).toEqual([])
  return { project: project!, warnings: warnings.map(({ path, text }) => `${path}: ${text}`) }
}

test('what has no effect is a warning', () => {
  const { project, warnings } = readProject(
    'name: a\nmood: good\nmeta_data:\n  contact_email: nobody\n  mood: good\nuser_options:\n  n: { type: integer, default: 2, min: 1 }\nentry_points:\n  main: { command: ls }\n  train: { command: a }\n  predict: { command: b, stage: c }\n',
  )
  expect(warnings.map(toLine)).toEqual([
    '2 mood: is not known and has no effect',
    '4 meta_data.contact_email: is left out: Invalid email address',
    '5 meta_data.mood: is not known and has no effect',
    '7 user_options.n.min: is not known and has no effect',
    '9 entry_points.main: is an entry point that no service has; it has no effect',
    '11 entry_points.predict.stage: is not known and has no effect',
  ])
  expect(project?.info).toMatchObject({ period_type: 'any', model_metadata: {} })
})

test('values that do not fit are left out, and the model is served all the same', () => {
  const { project, warnings } = read(
    'supported_period_type: day\nrequired_covariates: { rain: 1 }\nrequires_geo: 2\nmeta_data: x\nmax_prediction_length: -1\nadapters: [a]\nhpo_search_space: 3\nuser_options: [a]\nversion: [1]\ntarget: {}\nsource_url: here\n',
  )
  expect(warnings).toEqual([
    'supported_period_type: is left out: expected week, month or any, got "day"',
    'required_covariates: is left out: expected a list of texts, got a mapping',
    'requires_geo: is left out: expected true or false, got 2',
    'meta_data: is left out: expected a mapping of names to values, got "x"',
    'max_prediction_length: is left out: expected a whole number from 0, got -1',
    'adapters: is left out: expected a mapping of names of columns, got a list',
    'hpo_search_space: is left out: expected a mapping of options to values, got 3',
    'user_options: is left out: expected a mapping of names to options, got a list',
    'version: is left out: expected a text, got a list',
    'target: is left out: expected a text, got a mapping',
    'source_url: is left out: Invalid URL',
  ])
  expect(project.info).toEqual({
    id: 'a',
    display_name: 'a',
    period_type: 'any',
    required_covariates: [],
    allow_free_additional_continuous_covariates: false,
    requires_geo: false,
    model_metadata: {},
  })
})

test('of a key that is there twice the last one counts', () => {
  const { project, problems, warnings } = readProject(
    `name: a\nname: b\n${points}user_options:\n  n: { type: integer, default: 1 }\n  n: { type: integer, default: 2 }\n`,
  )
  expect(problems).toEqual([])
  expect(project?.name).toBe('b')
  expect(project?.options.map((each) => each.default)).toEqual([2])
  expect(warnings.map(toLine)).toEqual([
    '2 name: is there twice; the last one counts',
    '8 n: is there twice; the last one counts',
  ])
})

test.each([
  ['min_prediction_periods', 'max_prediction_periods'],
  ['minPredictionPeriods', 'maxPredictionPeriods'],
  ['min_prediction_length', 'max_prediction_length'],
  ['minPredictionLength', 'maxPredictionLength'],
])('%s and %s bound the horizon, and the default lies within them', (least, most) => {
  const bounds = { min_prediction_periods: 6, max_prediction_periods: 12 }
  const { project, warnings } = read(`${least}: 6\n${most}: "12"\n`)
  expect(warnings).toEqual([])
  expect(project.info).toMatchObject(bounds)
  const schema = toConfigSchema(project) as z.ZodType
  expect(schema.parse({})).toMatchObject({ prediction_periods: 6 })
})

test('of several names of a bound the newest counts, and bounds the wrong way round are none', () => {
  const both = read('max_prediction_length: 5\nmax_prediction_periods: 2\n')
  expect(both.project.info).toMatchObject({ max_prediction_periods: 2 })
  expect(both.warnings).toEqual([
    'max_prediction_length: has no effect beside max_prediction_periods',
  ])
  const turned = read('min_prediction_periods: 9\nmax_prediction_periods: 2\n')
  expect(turned.project.info).not.toHaveProperty('min_prediction_periods')
  expect(turned.project.info).not.toHaveProperty('max_prediction_periods')
  expect(turned.warnings).toEqual([
    'min_prediction_periods: is left out with max_prediction_periods: 9 is more than 2',
  ])
})

test.each([
  ['week', 'weekly'],
  ['Monthly', 'monthly'],
  ['any', 'any'],
])('the period type %s is served as %s', (word, type) => {
  const { project, warnings } = read(`supported_period_type: ${word}\n`)
  expect(project.info.period_type).toBe(type)
  expect(warnings).toEqual([])
})

test('a file without a period type takes any period, without a word', () => {
  const { project, warnings } = read('')
  expect(project.info.period_type).toBe('any')
  expect(warnings).toEqual([])
})

/** Schema of the configs of a file with one option, `n`, and what was said of it. */
function withOption(text: string) {
  const { project, warnings } = read(`user_options:\n  n: ${text}\n`)
  const schema = toConfigSchema(project) as z.ZodType<{ n: unknown }>
  return {
    warnings,
    default: project.options[0]?.default,
    takes: (n: unknown) => schema.safeParse({ n }).success,
    published: (z.toJSONSchema(schema, { io: 'input' }).properties as Record<string, object>).n,
  }
}

test.each([
  ['{ type: integer, default: 010, minimum: 007, maximum: 0x10 }', 8, [7, 16], [6, 17]],
  ['{ type: integer, default: 1_000, maximum: 1_000 }', 1000, [1000], [1001]],
  [
    '{ type: number, default: 1e-3, minimum: 1e-4, exclusiveMaximum: "1" }',
    0.001,
    [1e-4],
    [1, 1e-5],
  ],
  ['{ type: number, default: 1e-3, enum: [1e-3, 010] }', 0.001, [0.001, 8], [10]],
  ['{ type: integer, default: 1:30 }', 90, [90], [1.5]],
  ['{ type: string, default: 010 }', '010', ['8'], [8]],
  ['{ type: string, default: 1e-3 }', '1e-3', ['a'], [0.001]],
])('an option %s has the numbers that PyYAML reads', (text, value, taken, refused) => {
  const option = withOption(text)
  expect(option.warnings).toEqual([])
  expect(option.default).toBe(value)
  expect(taken.filter((each) => !option.takes(each))).toEqual([])
  expect(refused.filter((each) => option.takes(each))).toEqual([])
})

test('the bounds of a search are numbers, however they are written', () => {
  const { project } = read('hpo_search_space: { rate: { low: 1e-4, high: 010 }, kind: [a, b] }\n')
  expect(project.info.hpo_search_space).toEqual({ rate: { low: 1e-4, high: 8 }, kind: ['a', 'b'] })
})

test.each<[string, unknown[], unknown[]]>([
  ['{ type: array }', [[], [1, 'a']], [1, 'a', {}, null]],
  ['{ type: array, items: { type: integer }, minItems: 1 }', [[1]], [[], ['a'], [1.5]]],
  ['{ type: array, items: integer }', [[1]], [['a']]],
  ['{ type: object }', [{ a: [1] }], [[], 'a']],
  ['{ type: [integer, "null"] }', [null, 3], ['a', 1.5]],
  ['{ type: [integer, null] }', [null, 3], ['a', 1.5]],
  ['{ type: integer, minimum: 1, maximum: 3 }', [1, 3], [0, 4, 1.5, null]],
  ['{ type: number, exclusiveMinimum: 0, maximum: 1 }', [0.5, 1], [0, 1.1]],
  ['{ type: number, minimum: 0, exclusiveMinimum: true }', [0.1], [0]],
  ['{ type: string, pattern: "^a", maxLength: 3 }', ['ab'], ['b', 'abcd', 1]],
  ['{ enum: [a, 1, null] }', ['a', 1, null], ['b', true, '1']],
  ['{ type: integer, enum: [1, 2] }', [1], [3, 'a']],
  ['{ anyOf: [{ type: integer }, { type: array, items: { type: integer } }] }', [1, [1]], ['a']],
  ['{ oneOf: [{ type: integer }, { type: number }] }', [1.5], [1, 'a']],
  ['{ type: integer, anyOf: [{ minimum: 5 }, { maximum: 2 }] }', [6, 1], [3, 'a']],
  ['{ not: { type: string } }', [1, null], ['a']],
  [
    '{ type: array, maxItems: 2, uniqueItems: true }',
    [[1, 2]],
    [
      [1, 1],
      [1, 2, 3],
    ],
  ],
  ['{ type: float }', [1.5], ['1']],
])('an option %s takes what JSON Schema takes', (text, taken, refused) => {
  const option = withOption(text)
  expect(option.warnings).toEqual([])
  expect(taken.filter((value) => !option.takes(value))).toEqual([])
  expect(refused.filter((value) => option.takes(value))).toEqual([])
  expect(option.takes(undefined)).toBe(false)
})

test('what an option takes is published as the file says it', () => {
  expect(
    withOption(
      '{ type: array, items: { type: integer, minimum: 1 }, default: [1, 2], title: Lags }',
    ).published,
  ).toEqual({
    title: 'Lags',
    type: 'array',
    items: { type: 'integer', minimum: 1 },
    default: [1, 2],
  })
  expect(withOption('{ oneOf: [{ type: integer }, { type: object }] }').published).toMatchObject({
    oneOf: [{ type: 'integer' }, { type: 'object' }],
  })
})

test.each<[string, unknown, string[]]>([
  ['{ type: integer, default: "5" }', 5, ['is the text "5"; taken as 5']],
  ['{ type: number, default: "1e-3" }', 0.001, ['is the text "1e-3"; taken as 0.001']],
  ['{ type: boolean, default: "true" }', true, ['is the text "true"; taken as true']],
  ['{ type: string, default: 1.10 }', '1.10', []],
  ['{ type: string, default: true }', 'true', []],
  ['{ type: number, default: 1e-7 }', 1e-7, []],
  ['{ type: array, items: { type: integer }, default: [1, 2] }', [1, 2], []],
  ['{ type: object, default: { a: 1 } }', { a: 1 }, []],
  ['{ type: array, default: null }', null, []],
  ['{ type: [integer, "null"], default: "3" }', 3, ['is the text "3"; taken as 3']],
  [
    '{ anyOf: [{ type: integer }, { type: "null" }], default: "4" }',
    4,
    ['is the text "4"; taken as 4'],
  ],
  [
    '{ anyOf: [{ type: integer, maximum: 3 }, { type: number, minimum: 4 }], default: "5" }',
    5,
    ['is the text "5"; taken as 5'],
  ],
  [
    '{ type: array, items: { type: integer }, default: ["1", 2] }',
    [1, 2],
    ['is a list of other types; taken as [1,2]'],
  ],
  [
    '{ type: array, items: { type: array, items: { type: number } }, default: [["0.5"]] }',
    [[0.5]],
    ['is a list of other types; taken as [[0.5]]'],
  ],
])('the default of %s is %j', (text, expected, said) => {
  const option = withOption(text)
  expect(option.default).toEqual(expected)
  expect(option.warnings).toEqual(said.map((each) => `user_options.n.default: ${each}`))
  expect(option.takes(undefined)).toBe(true)
  expect(option.takes(expected)).toBe(true)
})

test('a default that does not fit is kept with a warning, and a config with it can be sent again', () => {
  const option = withOption('{ type: integer, default: [1] }')
  expect(option.warnings).toEqual([
    'user_options.n.default: a list does not fit the option (integer); it is kept as it is written',
  ])
  expect([option.takes(undefined), option.takes([1]), option.takes([2])]).toEqual([
    true,
    true,
    false,
  ])
})

test('a list whose values cannot be what the option takes is kept as it is', () => {
  const option = withOption('{ type: array, items: { type: string }, default: [1.10] }')
  expect(option.default).toEqual([1.1])
  expect(option.warnings).toEqual([
    'user_options.n.default: a list does not fit the option (array); it is kept as it is written',
  ])
})

test('a number that a config cannot have as it is written is a warning', () => {
  const { project, warnings } = read(
    'user_options:\n  a: { type: number, default: .inf }\n  b: { type: integer, default: 12345678901234567890 }\nhpo_search_space: { a: [1, -.inf] }\n',
  )
  expect(warnings).toEqual([
    'user_options.a.default: is Infinity, which no config can have; taken as null',
    'user_options.b.default: has more digits than a number keeps; taken as 12345678901234567000',
    'hpo_search_space.a.1: is -Infinity, which no config can have; taken as null',
  ])
  expect(project.info.hpo_search_space).toEqual({ a: [1, null] })
})

test('of the covariates only those that are no names are left out', () => {
  const { project, warnings } = read('required_covariates: [rainfall, null, "", 3, [a]]\n')
  expect(project.info.required_covariates).toEqual(['rainfall', '3'])
  expect(warnings).toEqual([
    'required_covariates: null is left out: expected a text',
    'required_covariates: "" is left out: expected a text',
    'required_covariates: a list is left out: expected a text',
  ])
})

test('an option may have the name of something that every object has', async () => {
  const { project } = read(
    'user_options:\n  constructor: { type: integer, default: 5 }\n  toString: { type: string }\n',
  )
  const parse = (data: Record<string, unknown>) =>
    parseConfigData(toConfigSchema(project), data, ['body', 'data'])
  const { toString: text, constructor: made } = await parse({ toString: 's' })
  expect([text, made]).toEqual(['s', 5])
  await expect(parse({})).rejects.toMatchObject({
    issues: [{ loc: ['body', 'data', 'toString'], type: 'missing' }],
  })
})

test.each<[string, string[]]>([
  ['{ type: float64 }', ['user_options.n: type "float64" is not known; taken as string']],
  ['{ default: 2 }', ['user_options.n: has no type; any value is taken']],
  ['3', ['user_options.n: expected a mapping with type and default, got 3; taken as the default']],
  [
    '{ type: string, pattern: "(" }',
    [
      'user_options.n: is no JSON Schema (Invalid regular expression: /(/: Unterminated group); only its type is checked',
    ],
  ],
])('an option %s is served with a warning', (text, warnings) => {
  expect(withOption(text).warnings).toEqual(warnings)
})

test('of an option that every config has the default counts', () => {
  const { project, warnings } = read(
    'user_options:\n  prediction_periods: { type: integer, default: 7 }\n  additional_continuous_covariates: { type: array, default: [rain] }\n',
  )
  const said = 'is what every config has; of the option only the default counts'
  expect(warnings).toEqual([
    `user_options.prediction_periods: ${said}`,
    `user_options.additional_continuous_covariates: ${said}`,
  ])
  expect((toConfigSchema(project) as z.ZodType).parse({})).toEqual({
    prediction_periods: 7,
    additional_continuous_covariates: ['rain'],
  })
})

describe('the schema of configs', () => {
  const schema = toConfigSchema(readProject(wholeFile).project!) as z.ZodType

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
