import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseDocument } from 'yaml'
import { cases } from '../../test/setup/campaign.ts'
import { testWith } from '../../test/setup/needs.ts'
import { withPythonNumbers } from './yaml-numbers.ts'

const read = (text: string): unknown =>
  parseDocument(`a: ${text}`, { customTags: withPythonNumbers }).toJS().a

test.each([
  ...[
    ['010', 8],
    ['-010', -8],
    ['0x1F', 31],
    ['0b11', 3],
    ['1_000', 1000],
    ['1_000.5', 1000.5],
  ],
  ...[
    ['1:30', 90],
    ['-1:30:00', -5400],
    ['1:30.5', 90.5],
    ['1.0e-3', 0.001],
    ['+1', 1],
  ],
  ...[
    ['0o10', '0o10'],
    ['08', '08'],
    ['1e-3', '1e-3'],
    ['1.5e3', '1.5e3'],
    ['-.5', '-.5'],
  ],
  ...[
    ['1:60', '1:60'],
    ['"010"', '010'],
    ['.5', 0.5],
    ['-.inf', Number.NEGATIVE_INFINITY],
  ],
] as [string, unknown][])('%s of YAML 1.1 is %j', (text, value) => {
  expect(read(text)).toBe(value)
})

testWith('python3', 'python3-yaml')('plain scalars are the numbers that PyYAML reads', () => {
  const part = fc.constantFrom(
    ...['0', '1', '7', '8', '9', '_', '.', ':', 'e', 'E', '-', '+', 'x', 'b', 'o', 'a', 'F'],
    ...['00', '010', '1_', '30', '59', '60', '.inf', '.NaN'],
  )
  const scalar = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(''))
  const seed = fc.sample(fc.nat(), 1)[0]!
  const texts = fc.sample(scalar, { numRuns: cases(12_000), seed })
  const program = `
import json, sys, yaml
def read(text):
    try:
        value = yaml.safe_load('a: ' + text)['a']
    except Exception:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ['other', str(value)]
    return ['number', repr(float(value)) if abs(value) < 1e300 else 'inf']
print(json.dumps([read(text) for text in json.load(sys.stdin)]))`
  const input = JSON.stringify(texts)
  const expected: ([string, string] | null)[] = JSON.parse(
    execFileSync('python3', ['-c', program], { input, encoding: 'utf8', maxBuffer: 2 ** 28 }),
  )
  texts.forEach((text, index) => {
    const python = expected[index]
    if (!python) return
    const value = read(text)
    const label = `${text}, seed ${seed}`
    expect(typeof value === 'number' ? 'number' : 'other', label).toBe(python[0])
    if (typeof value === 'number' && Number.isFinite(value))
      expect(value, label).toBe(Number(python[1]))
  })
})
