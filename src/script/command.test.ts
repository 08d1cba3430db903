import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseCommand, type RunKind, toArguments } from './command.ts'

const words = (command: string | string[], kind: RunKind = 'train', shell = false) =>
  toArguments(parseCommand(command, { kind, shell }), {
    data_file: 'data.csv',
    historic_file: 'historic.csv',
    future_file: 'future.csv',
    output_file: 'predictions.csv',
    geo_file: '',
  })

describe('a command', () => {
  test.each<[string, string[]]>([
    ['Rscript train.R {data_file}', ['Rscript', 'train.R', 'data.csv']],
    ['  python3   "my script.py"\t--in={data_file} ', ['python3', 'my script.py', '--in=data.csv']],
    ["awk '{print $1}' {data_file}", ['awk', '{print $1}', 'data.csv']],
    [String.raw`run a\ b "c\"d" 'e"f' ""`, ['run', 'a b', 'c"d', 'e"f', '']],
    ['run {unknown} {} {{data_file}}', ['run', '{unknown}', '{}', '{data.csv}']],
    ['run "{data_file}"', ['run', 'data.csv']],
    ['run {geo_file} next', ['run', 'next']],
    ['run "{geo_file}" next', ['run', '', 'next']],
    ['run --geo={geo_file}', ['run', '--geo=']],
    ['run a#b ~ * é', ['run', 'a#b', '~', '*', 'é']],
  ])('%s', (command, expected) => {
    expect(words(command)).toEqual(expected)
  })

  test('is a list of arguments, taken as they are', () => {
    const list = ['run', 'a b; id', '$(id)', '{data_file}', '{geo_file}']
    expect(words(list)).toEqual(['run', 'a b; id', '$(id)', 'data.csv', ''])
  })

  test('is handed to a shell whole when its author says so', () => {
    expect(words('sort {data_file} | head > "$OUT" && echo {print}', 'train', true)).toEqual([
      '/bin/sh',
      '-c',
      'sort data.csv | head > "$OUT" && echo {print}',
    ])
  })

  test.each([
    ['sort {data_file} | head', '"|" needs a shell; quote it, or set `shell: true`'],
    ['run && rm x', '"&" needs a shell'],
    ['run > out', '">" needs a shell'],
    ['run $HOME', '"$" needs a shell'],
    ['run "$HOME"', '"$" needs a shell'],
    ['run `id`', '"`" needs a shell'],
    ['run\nnext', 'a line break needs a shell'],
    ["run 'open", "a quote (') is not closed"],
    ['run "open', 'a quote (") is not closed'],
    ['run \\', 'a backslash stands at its end'],
    ['  ', 'it is empty'],
    ['run \0', 'it holds a NUL character'],
    ['N=1 run', 'it begins with a variable; put that into `env`'],
    ['run {future_file}', '{future_file} is there in predict commands only'],
  ])('%j is refused with what to do instead', (command, why) => {
    expect(() => words(command)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(why) }),
    )
  })

  test('of a prediction has no training data', () => {
    expect(() => words('run {data_file}', 'predict')).toThrow('in train commands only')
  })

  test('whatever stands in quotes arrives as it is, however it looks', () => {
    fc.assert(
      fc.property(fc.array(fc.string().filter((text) => !text.includes('\0'))), (values) => {
        const plain = values.map((text) => text.replaceAll(/\{\w+_file\}/g, ''))
        const quoted = plain.map((text) => `'${text.replaceAll("'", `'"'"'`)}'`)
        expect(words(['run', ...quoted].join(' '))).toEqual(['run', ...plain])
      }),
      { numRuns: 2000 },
    )
  })
})
