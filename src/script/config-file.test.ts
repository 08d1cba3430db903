import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { numpyPath, testWith } from '../../test/setup/needs.ts'
import { configFileBytes } from './config-file.ts'
import { makeFolder } from './fixtures/project.ts'

/** Texts that some parser takes for something else, breaks at, or changes, when they stand without quotes. */
const traps = [
  ...['NO', 'no', 'on', 'Off', 'y', 'N', 'yes', 'true', 'False', '~', 'null', 'Null', 'NULL', ''],
  ...['1:30', '190:20:30', '2024-01-01', '2024-01-01T00:00:00Z', '2001-12-14 21:59:43.10 -5'],
  ...[
    '0x1F',
    '0o17',
    '017',
    '0b101',
    '1_000',
    '+1',
    '-1',
    '.5',
    '1.',
    '1e-7',
    '1e3',
    '.inf',
    '-.Inf',
  ],
  ...[
    '.nan',
    'NaN',
    'NA',
    'Inf',
    '.na',
    '.na.real',
    '=',
    '<<',
    '!',
    '&a',
    '*a',
    '?',
    '-',
    ':',
    '%',
  ],
  ...[
    '- a',
    'a: b',
    'a #b',
    '#',
    '{',
    '}',
    '[',
    ']',
    ',',
    '|',
    '>',
    '@',
    '`',
    '"',
    "'",
    '\\',
    '---',
  ],
  ...['...', '--- a', ' a', 'a ', '\ta', 'a\t', '\na', 'a\n', 'a\n\nb', 'a\r\nb', '\r', 'a\u0085b'],
  ...[
    '\u2028',
    'a\u2029',
    '\ufeff',
    'a\ufeff',
    '\u007f',
    '\u0001',
    '\u001b[2J',
    '\u009b',
    '\ufffe',
  ],
  ...['😀', 'Tillabéri', '\u202eabc', '\u00a0', 'é', 'e\u0301', 'x'.repeat(1023), 'y'.repeat(3000)],
  ...['"quoted"', "it's", 'a\\nb', '$x', '{{x}}', '!!str a', '!expr 1', 'key: [1, 2]', '0', '00'],
]

const numbers = [
  ...[0, 1, -1, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32, 2 ** 53 - 1, -(2 ** 53)],
  ...[
    2 ** 53,
    1e20,
    1e21,
    1e22,
    1e300,
    1.7976931348623157e308,
    1e-7,
    1.5e-7,
    2.2250738585072014e-308,
  ],
  ...[0.1, 0.30000000000000004, -0, 1.5, 100, 1e5, 123456789.12345679, 1 / 3],
]

const text = fc.oneof(
  fc.constantFrom(...traps),
  fc.string({ unit: 'binary' }).filter((made) => !made.includes('\0')),
  fc.string({ unit: 'grapheme' }),
  fc.stringMatching(/^[0-9a-fxoEeyn.:_+-]{1,6}$/),
  fc.stringMatching(/^[a-zA-Z/][a-zA-Z0-9_./ -]{0,6}$/),
)
/** R has no subnormal numbers in YAML. */
const isNormal = (value: number) => value === 0 || Math.abs(value) >= 2.2250738585072014e-308
const number = fc.oneof(
  fc.constantFrom(...numbers),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter(isNormal),
)
const { config } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    ...[text, number, fc.boolean(), fc.constant(null)],
    fc.array(tie('value'), { maxLength: 4 }),
    tie('config'),
  ),
  config: fc.dictionary(text, tie('value'), { maxKeys: 5, noNullPrototype: true }),
}))

type Config = Record<string, unknown>

/** Configs of a run, each with the names and values of the list at least once. */
function someConfigs(seed: number): Config[] {
  return [
    Object.fromEntries(traps.map((trap) => [trap, trap])),
    { list: traps, numbers },
    Object.fromEntries(numbers.map((each, index) => [`n${index}`, each])),
    { deep: Array.from({ length: 60 }).reduce((inner: unknown) => [inner], 'NO') },
    { deep: Array.from({ length: 60 }).reduce((inner: unknown) => ({ y: inner }), '1:30') },
    ...(fc.sample(config, { numRuns: 400, seed }) as Config[]),
  ]
}

function writeConfigs(configs: readonly Config[]): string {
  const folder = makeFolder()
  mkdirSync(join(folder, 'configs'))
  configs.forEach((each, index) => {
    writeFileSync(join(folder, 'configs', `${index}.yml`), configFileBytes(each, 'flat'))
  })
  return folder
}

/** What the other side read, a line of JSON for each file. */
function readWith(program: string, script: string, configs: readonly Config[]): unknown[] {
  const folder = writeConfigs(configs)
  writeFileSync(join(folder, 'script'), script)
  const { stdout, stderr, status } = spawnSync(program, ['script', String(configs.length)], {
    ...{ cwd: folder, encoding: 'utf8', maxBuffer: 256 * 2 ** 20 },
    env: { ...process.env, PATH: numpyPath, LC_ALL: 'C.UTF-8' },
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

const python = (loader: string) => `
import json, sys, yaml
def show(value):
    if isinstance(value, dict):
        return {"object": [[show(key), show(item)] for key, item in value.items()]}
    if isinstance(value, list):
        return {"list": [show(item) for item in value]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return {"odd": repr(value)}
for number in range(int(sys.argv[1])):
    with open(f"configs/{number}.yml", encoding="utf-8") as file:
        print(json.dumps(show(yaml.load(file, yaml.${loader}))))
`

/** A config as the Python above shows what it has read. */
function shown(value: unknown): unknown {
  if (Array.isArray(value)) return { list: value.map(shown) }
  if (typeof value !== 'object' || value === null) return value
  return { object: sorted(value).map(([key, item]) => [key, shown(item)]) }
}

const sorted = (value: unknown) =>
  Object.entries(value as object).sort(([a], [b]) => (a < b ? -1 : 1))

/** Texts are shown as the hexadecimal digits of their bytes: R has no JSON. A text of its own cannot be told from a list of one. */
const r = `
library(yaml)
options(warn = 2)
one <- function(value) {
  if (is.character(value) && !is.na(value))
    paste0('"', paste(charToRaw(enc2utf8(value)), collapse = ""), '"')
  else if (is.logical(value) && !is.na(value)) if (value) "true" else "false"
  else if (is.numeric(value) && is.finite(value)) sprintf("%.17g", value)
  else '{"odd":1}'
}
show <- function(value) {
  if (is.null(value)) return("null")
  if (is.list(value)) {
    items <- vapply(value, show, "")
    if (is.null(names(value))) return(paste0('{"list":[', paste(items, collapse = ","), "]}"))
    if (length(value) == 0) return('{"object":[]}')
    keys <- vapply(names(value), one, "")
    return(paste0('{"object":[', paste0("[", keys, ",", items, "]", collapse = ","), "]}"))
  }
  paste0('{"values":[', paste(vapply(value, one, ""), collapse = ","), "]}")
}
for (number in seq_len(as.integer(commandArgs(trailingOnly = TRUE)[1])) - 1)
  cat(show(read_yaml(sprintf("configs/%d.yml", number))), "\\n", sep = "")
`

const hex = (text: string) => Buffer.from(text).toString('hex')

/** A config as the R above shows it. */
function shownByR(value: unknown): unknown {
  if (value === null) return null
  const vector = vectorOfR(value)
  if (vector) return { values: vector.values }
  if (Array.isArray(value)) return { list: value.map(shownByR) }
  return { object: sorted(value).map(([key, item]) => [hex(key), shownByR(item)]) }
}

/** R makes a vector of a list whose items are single values of one kind, also where those are vectors of one. */
function vectorOfR(value: unknown): { kind: string; values: unknown[] } | null {
  if (Array.isArray(value)) {
    const items = value.map(vectorOfR)
    const [first] = items
    const isVector = items.every((item) => item?.values.length === 1 && item.kind === first?.kind)
    if (!first || !isVector) return null
    return { kind: first.kind, values: items.flatMap((item) => item?.values) }
  }
  if (typeof value === 'object') return null
  if (typeof value === 'string') return { kind: 'character', values: [hex(value)] }
  if (typeof value !== 'number') return { kind: typeof value, values: [value] }
  const isInteger = Number.isInteger(value) && Math.abs(value) < 2 ** 31 && !Object.is(value, -0)
  return { kind: isInteger ? 'integer' : 'double', values: [value] }
}

const seed = () => fc.sample(fc.nat(), 1)[0]!

testWith('python3', 'python3-yaml').each(['SafeLoader', 'CSafeLoader'])(
  'a config is read by PyYAML (%s) as it was sent',
  (loader) => {
    const using = seed()
    const configs = someConfigs(using)
    const read = readWith('python3', python(loader), configs)
    expect(read.length).toBe(configs.length)
    configs.forEach((each, index) => {
      expect(read[index], `seed ${using}`).toEqual(shown(each))
    })
  },
)

testWith('Rscript', 'r-yaml')('a config is read by the yaml of R as it was sent', () => {
  const using = seed()
  const configs = someConfigs(using)
  const read = readWith('Rscript', r, configs)
  expect(read.length).toBe(configs.length)
  configs.forEach((each, index) => {
    expect(read[index], `seed ${using}`).toEqual(shownByR(each))
  })
})

test.each(['1.1', '1.2'] as const)(
  'a config is read by a parser of YAML %s as it was sent',
  (version) => {
    fc.assert(
      fc.property(config, (each) => {
        expect(
          parse(Buffer.from(configFileBytes(each as Config, 'flat')).toString(), { version }),
        ).toEqual(each)
      }),
    )
  },
)

test.each([
  ['NUL', { area: { name: 'a\0b' } }],
  ['half a character', { area: ['a\ud800'] }],
  ['a name with NUL', { area: { 'a\0b': 1 } }],
])('a config with text that a script would read as another one is refused: %s', (_, data) => {
  expect(() => configFileBytes(data, 'flat')).toThrow('in the option "area"')
})
