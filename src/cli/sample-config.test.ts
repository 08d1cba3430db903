import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { type JsonSchema, sampleConfig } from './sample-config.ts'

const bounds = { least: 0, most: 100 }

const leaf: fc.Arbitrary<JsonSchema> = fc.oneof(
  fc
    .record({ minimum: fc.integer({ min: -50, max: 50 }), more: fc.nat({ max: 100 }) })
    .map(({ minimum, more }) => ({ type: 'integer', minimum, maximum: minimum + more })),
  fc.constantFrom<JsonSchema[]>(
    { type: 'boolean' },
    { type: 'null' },
    { type: 'string', minLength: 3 },
    { type: 'number', exclusiveMinimum: 4 },
    { type: ['integer', 'null'] },
    { enum: ['a', 'b'] },
    { const: 7 },
    { anyOf: [{ type: 'number' }, { type: 'null' }] },
    { type: 'array', items: { type: 'integer' }, minItems: 2 },
    { type: 'object', properties: { deep: { type: 'string' } }, required: ['deep'] },
  ),
)
const schemas = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd', 'e'), leaf).map((properties) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
}))

test('what is made for a schema is valid by it', () => {
  const ajv = new Ajv2020({ strict: false })
  fc.assert(
    fc.property(schemas, (schema) => {
      const data = sampleConfig(schema, bounds)
      expect(ajv.validate(schema, data), ajv.errorsText()).toBe(true)
    }),
    { numRuns: 500 },
  )
})

test('what has a default is left to the service, unless the service would not predict so far', () => {
  const schema = z.toJSONSchema(
    z.object({ prediction_periods: z.int().default(3), n_lags: z.int().default(2) }),
    { io: 'input' },
  )
  expect(sampleConfig(schema as JsonSchema, bounds)).toEqual({})
  expect(sampleConfig(schema as JsonSchema, { least: 5, most: 9 })).toEqual({
    prediction_periods: 5,
  })
  expect(sampleConfig(schema as JsonSchema, { least: 0, most: 2 })).toEqual({
    prediction_periods: 2,
  })
})
