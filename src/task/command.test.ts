import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseTaskCommand, toTaskArguments } from './command.ts'
import { toTexts, toVariables } from './parameters.ts'

const parse = (command: string | string[], shell = false) =>
  parseTaskCommand(command, { label: 'The command', shell })

const hostile = fc.oneof(
  fc.constantFrom(
    '; id',
    '$(id)',
    '`id`',
    '--x',
    '-rf',
    '"',
    "'",
    '{other}',
    '{a}',
    '\n\n',
    '../..',
  ),
  fc.string({ unit: 'binary' }),
)

describe('a command', () => {
  test('is given each value as one argument, whatever it holds', () => {
    const command = parse('Rscript report.R {a} --region={b} "{c}"')
    fc.assert(
      fc.property(hostile, hostile, hostile, (a, b, c) => {
        const expected = ['Rscript', 'report.R', ...(a === '' ? [] : [a]), `--region=${b}`, c]
        expect(toTaskArguments(command, { a, b, c })).toEqual(expected)
      }),
      { numRuns: 10_000 },
    )
  })

  test('and the program that it starts sees them as they were sent', () => {
    const { words } = {
      words: toTaskArguments(parse('sh -c \'printf "<%s>" "$@"\' -- {a} {b}'), {
        a: '; id; $(id) `id`\n--x',
        b: '-n',
      }),
    }
    const { stdout } = spawnSync(words[0]!, words.slice(1), { encoding: 'utf8' })
    expect(stdout).toBe('<; id; $(id) `id`\n--x><-n>')
  })

  test('keeps braces that are no names, and leaves out what is empty and not quoted', () => {
    const command = parse('print {} {1} {a-b} {a} "{b}"')
    expect(toTaskArguments(command, {})).toEqual(['print', '{}', '{1}', '{a-b}', ''])
    expect(command.names).toEqual(['a', 'b'])
  })

  test.each([
    "sh -c 'echo {a}'",
    'sh -c {a}',
    'sh {a}',
    'sh {a} {b}',
    "timeout 5 bash -lc 'echo {a}'",
    "bash -o pipefail -c 'echo {a}'",
    'python3 -W ignore -c {a}',
    'Rscript -e "cat(1)" -e {a}',
    'Rscript --verbose -e "cat({a})"',
    'node -r x --eval={a}',
    '/usr/bin/env -i /bin/sh -c "echo {a}"',
    "awk '{a}' file",
  ])('has no place for a value where it would be code: %s', (command) => {
    expect(() => parse(command)).toThrow(
      /\{a\} may be read as code by \w+; give it behind the script/,
    )
  })

  test.each([
    'sh report.sh {a}',
    'sh -c \'echo "$1"\' -- {a}',
    'python3 -m report {a}',
    'Rscript x.R --a={a}',
  ])('has a place for a value behind a script: %s', (command) => {
    expect(parse(command).names).toEqual(['a'])
  })

  test.each([
    ['{a} --version', 'a parameter cannot be the program'],
    ['cat x | sort', '"|" needs a shell'],
    ['echo "open', 'a quote (") is not closed'],
    ['A=1 run', 'it begins with a variable'],
    ['  ', 'it is empty'],
  ])('is refused with the reason: %s', (command, why) => {
    expect(() => parse(command)).toThrow(`The command cannot be used: ${why}`)
  })

  test('for a shell stays as it is: values come as variables', () => {
    const command = parse('sort {a} | head > out', true)
    expect(toTaskArguments(command, { a: 'x' })).toEqual(['/bin/sh', '-c', 'sort {a} | head > out'])
  })
})

describe('parameters', () => {
  test('are texts, and variables by their names', () => {
    const values = {
      region: '; id',
      n: 3,
      deep: { a: [1] },
      off: false,
      none: null,
      at: new Date(0),
    }
    const texts = toTexts(values)
    expect(texts).toEqual({
      ...{ region: '; id', n: '3', deep: '{"a":[1]}', off: 'false' },
      at: '1970-01-01T00:00:00.000Z',
    })
    expect(toVariables(values, texts)).toMatchObject({
      PARAM_REGION: '; id',
      PARAM_DEEP: '{"a":[1]}',
      CHAPKIT_PARAMETERS: JSON.stringify(values),
    })
  })

  test.each([
    [{ 'LD-PRELOAD': 'x' }, 'Expected a name of letters, digits and _, got "LD-PRELOAD"'],
    [{ 'a=b': 'x' }, 'Expected a name of letters'],
    [{ a: 'x\0y' }, 'Expected text without NUL'],
    [{ a: '\ud800' }, 'Expected well-formed Unicode text'],
    [{ a: 1, A: 2 }, 'Expected names that differ in more than case, got a and A'],
  ])('that no program can be given are refused: %j', (values, why) => {
    expect(() => toTexts(values)).toThrow(why)
  })

  test('never set a variable that means something to a program', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[A-Za-z_]\w{0,20}$/), fc.string()),
        (values) => {
          try {
            const names = Object.keys(toVariables(values, toTexts(values)))
            expect(names.every((name) => /^(PARAM_\w+|CHAPKIT_PARAMETERS)$/.test(name))).toBe(true)
          } catch (error) {
            expect(String(error)).toMatch(/differ in more than case|without NUL/)
          }
        },
      ),
      { numRuns: 10_000 },
    )
  })
})
