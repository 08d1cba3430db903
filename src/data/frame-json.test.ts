import { expect, test } from 'vitest'
import { canonicalFrameText, checkFrame, recordsText, withSchema } from './frame-json.ts'

const issuesOf = (value: unknown) => {
  const checked = checkFrame(value, ['body', 'data'])
  return 'issues' in checked ? checked.issues : []
}

test('a frame passes with its schema, without keys that a frame does not have', () => {
  const checked = checkFrame(
    {
      columns: ['a', 'b'],
      data: [
        ['x', 1.5],
        [null, true],
      ],
      schema: { fields: [{ name: 'a', type: 'string', title: null, description: 'A', unit: 'm' }] },
      index: [0, 1],
    },
    [],
  )
  expect(checked).toEqual({
    frame: {
      columns: ['a', 'b'],
      data: [
        ['x', 1.5],
        [null, true],
      ],
      schema: { fields: [{ name: 'a', type: 'string', description: 'A' }] },
    },
  })
})

test('the schema is read as table_schema too, and null is no schema', () => {
  const fields = [{ name: 'a', type: 'any' }]
  const table = { columns: ['a'], data: [] }
  expect(checkFrame({ ...table, schema: null, table_schema: { fields } }, [])).toEqual({
    frame: { ...table, schema: { fields } },
  })
  expect(checkFrame({ ...table, schema: null }, [])).toEqual({ frame: table })
})

test.each([
  [null, [], 'object_type'],
  [[], [], 'object_type'],
  [undefined, [], 'missing'],
  [{ data: [] }, ['columns'], 'missing'],
  [{ columns: ['a'] }, ['data'], 'missing'],
  [{ columns: 'a', data: [] }, ['columns'], 'list_type'],
  [{ columns: ['a'], data: {} }, ['data'], 'list_type'],
  [{ columns: [1], data: [] }, ['columns', 0], 'string_type'],
  [{ columns: ['a', ''], data: [] }, ['columns', 1], 'empty_column'],
  [{ columns: ['a', 'a'], data: [] }, ['columns', 1], 'duplicate_column'],
  [{ columns: ['a'], data: [[1], 2] }, ['data', 1], 'list_type'],
  [{ columns: ['a', 'b'], data: [[1, 2], [3]] }, ['data', 1], 'ragged_row'],
  [{ columns: ['a'], data: [[{}]] }, ['data', 0, 0], 'cell_type'],
  [{ columns: ['a'], data: [[[1]]] }, ['data', 0, 0], 'cell_type'],
  [{ columns: ['a', 'b'], data: [[1, Number.NaN]] }, ['data', 0, 1], 'finite_number'],
  [
    {
      columns: ['a', 'b'],
      data: [
        [1, 'x'],
        [2, '\ud83d'],
      ],
    },
    ['data', 1, 1],
    'string_unicode',
  ],
  [{ columns: ['a'], data: [['\ude00 x']] }, ['data', 0, 0], 'string_unicode'],
  [{ columns: ['a'], data: [['x\0']] }, ['data', 0, 0], 'string_unicode'],
  [{ columns: ['a', '\ud83d'], data: [] }, ['columns', 1], 'string_unicode'],
  [
    { columns: ['a'], data: [], schema: { fields: [{ name: '\ud83d', type: 'any' }] } },
    ['schema', 'fields', 0, 'name'],
    'string_unicode',
  ],
  [
    { columns: ['a'], data: [], schema: { fields: [{ name: 'a', type: 'any', title: '\ud83d' }] } },
    ['schema', 'fields', 0, 'title'],
    'string_unicode',
  ],
  [{ columns: ['a'], data: [[-Infinity]] }, ['data', 0, 0], 'finite_number'],
  [{ columns: ['a'], data: [], schema: [] }, ['schema'], 'object_type'],
  [{ columns: ['a'], data: [], schema: {} }, ['schema', 'fields'], 'missing'],
  [
    { columns: ['a'], data: [], table_schema: { fields: [{ name: 'a', type: 'int' }] } },
    ['table_schema', 'fields', 0, 'type'],
    'enum',
  ],
  [
    { columns: ['a'], data: [], schema: { fields: [{ name: 'a', type: 'any', title: 3 }] } },
    ['schema', 'fields', 0, 'title'],
    'string_type',
  ],
])('%j is refused at %j as %s', (value, path, type) => {
  expect(issuesOf(value)).toEqual([
    { loc: ['body', 'data', ...path], msg: expect.stringMatching(/^Expected .+, got .+/), type },
  ])
})

test('messages say what was expected, what came and what to do', () => {
  expect(issuesOf({ columns: ['a'], data: [['caf\ud83d']] })[0]?.msg).toBe(
    'Expected well-formed Unicode text without NUL, got "caf\\ud83d"',
  )
  expect(issuesOf({ columns: ['a', 'b'], data: [[1]] })[0]?.msg).toBe(
    'Expected 2 cells as in `columns`, got 1',
  )
})

test('a value nested deeply on purpose is an issue like any other', () => {
  const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000))
  expect(issuesOf({ columns: ['a'], data: [[deep]] })[0]?.msg).toBe(
    'Expected a string, a finite number, a boolean or null, got an array of 1',
  )
})

test('numbers of any size and characters of two halves are cells', () => {
  const frame = { columns: ['😀'], data: [[1e20], [-(2 ** 53)], [1.7976931348623157e308], ['😀']] }
  expect(checkFrame(frame, [])).toEqual({ frame })
})

test('the search ends after twenty issues', () => {
  const data = Array.from({ length: 1000 }, () => [{}, {}])
  expect(issuesOf({ columns: ['a', 'b'], data })).toHaveLength(20)
  expect(issuesOf({ columns: Array(500).fill(7), data: [] })).toHaveLength(20)
})

test('canonical text has one order of keys, no spaces and no negative zero', () => {
  expect(
    canonicalFrameText({
      schema: { fields: [{ description: 'd', type: 'number', name: 'a' }] },
      data: [[-0], [1]],
      columns: ['a'],
    }),
  ).toBe(
    '{"columns":["a"],"data":[[0],[1]],"schema":{"fields":[{"name":"a","type":"number","description":"d"}]}}',
  )
})

test('recordsText writes an object per row', () => {
  expect(
    recordsText({
      columns: ['a', 'b"c'],
      data: [
        [1, 'x'],
        [null, true],
      ],
    }),
  ).toBe('[{"a":1,"b\\"c":"x"},{"a":null,"b\\"c":true}]')
  expect(recordsText({ columns: [], data: [[]] })).toBe('[{}]')
})

test('withSchema types agreed columns first, then required covariates, then by the values', () => {
  const frame = {
    columns: [
      'time_period',
      'location',
      'disease_cases',
      'population',
      'humidity',
      'n',
      'f',
      'm',
      'e',
      'b',
      's',
    ],
    data: [
      ['2020', 11001, 1, 5, null, 1, 1, 1, null, true, 'x'],
      ['2021', 11002, 2, 6, null, 2, 1.5, 'a', null, null, null],
    ],
  }
  const types = withSchema(frame, { covariates: ['humidity'] }).schema?.fields.map(
    ({ type }) => type,
  )
  expect(types).toEqual([
    'string',
    'string',
    'number',
    'integer',
    'number',
    'integer',
    'number',
    'any',
    'any',
    'boolean',
    'string',
  ])
})

test('a population with fractions is announced as a number', () => {
  expect(withSchema({ columns: ['population'], data: [[2211544.01]] }).schema).toEqual({
    fields: [{ name: 'population', type: 'number' }],
  })
})
