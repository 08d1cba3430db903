import { describe, expect, test } from 'vitest'
import { MlProjectError, toServiceCommands } from './commands.ts'

const every =
  'run {train_data} {historic_data} {future_data} {out_file} {model} {model_config} {polygons}'
const both = (train: string, predict = 'b') => ({ commands: { train, predict } })
const asFiles = { params: {}, as: 'files' } as const

test('parameters are the files of a run', () => {
  const { train, predict, shell } = toServiceCommands(both(every, every), asFiles)
  expect(train).toBe(
    'run data.csv historic.csv future.csv predictions.csv model config.yml geo.json',
  )
  expect({ predict, shell }).toEqual({ predict: train, shell: false })
})

test('in a service file they are placeholders, each where its command has it', () => {
  const { train, predict } = toServiceCommands(both(every, every), {
    params: {},
    as: 'placeholders',
  })
  expect(train).toBe(
    'run {data_file} historic.csv future.csv predictions.csv model config.yml {geo_file}',
  )
  expect(predict).toBe(
    'run data.csv {historic_file} {future_file} {output_file} model config.yml {geo_file}',
  )
})

test('another file may stand for the model, and for what nobody knows', () => {
  const params = { model: 'out/model.rds', seed: '42' }
  const { train } = toServiceCommands(both('a {model} --seed={seed}'), { params, as: 'files' })
  expect(train).toBe('a out/model.rds --seed=42')
})

test('doubled braces are braces, and variables of a shell stay', () => {
  const { train, shell } = toServiceCommands(both(`awk '{{print $1}}' "$\{HOME}" {model}`), asFiles)
  expect(train).toBe(`awk '{print $1}' "$\{HOME}" model`)
  expect(shell).toBe(true)
})

describe('a shell', () => {
  test.each([
    ['sh train.sh {train_data}', false],
    ['Rscript -e \'source("a.R")\' {train_data}', false],
    ['a {train_data} | b', true],
    ['a && b', true],
    ['SEED=1 a', true],
    ['cat *.csv', true],
    ['cd src', true],
  ])('for %j: %j', (train, expected) => {
    const { shell, warnings } = toServiceCommands(both(train), asFiles)
    expect(shell).toBe(expected)
    expect(warnings).toHaveLength(expected ? 1 : 0)
    if (expected) expect(warnings[0]).toMatch(/^entry_points\.train\.command runs in \/bin\/sh: /)
  })
})

test.each<[string, string, Record<string, string>, string[]]>([
  [
    'parameters that nobody knows',
    'a {seed} {model} {seed} {prior}',
    {},
    [
      'entry_points.train.command: {seed}, {prior} are not known; expected train_data, historic_data, future_data, out_file, model, model_config, polygons, or --param seed=FILENAME',
    ],
  ],
  [
    'a quote that is not closed',
    "a 'b",
    {},
    ["entry_points.train.command: a quote (') is not closed"],
  ],
  [
    'a value for a file that is fixed',
    'a',
    { train_data: 'x' },
    ['--param train_data: it is always data.csv'],
  ],
  ['a value for nothing', 'a', { sed: 'x' }, ['--param sed: no command has {sed}']],
  [
    'a value that a shell would read',
    'a {seed}',
    { seed: '$(id)' },
    ['--param seed: expected letters, digits and . _ - / : = @ % + , got "$(id)"'],
  ],
])('%s is refused', (_name, train, params, reasons) => {
  const refused = () => toServiceCommands(both(train), { params, as: 'files' })
  expect(refused).toThrow(MlProjectError)
  expect(refused).toThrow(reasons.join('\n'))
})
