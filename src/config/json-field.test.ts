import { expect, test } from 'vitest'
import { toJsonSchema } from '../kernel/json-schema.ts'
import { fromJsonSchema } from './json-field.ts'
import { BaseConfig } from './schema.ts'

test('a field takes what its JSON Schema takes, and is required without a default', () => {
  const schema = BaseConfig.extend({
    lags: fromJsonSchema({ type: 'array', items: { type: 'integer', minimum: 1 } }),
  })
  expect(schema.safeParse({ lags: [1] }).success).toBe(true)
  const wrong = schema.safeParse({ lags: [1, 0] })
  expect(wrong.error?.issues).toMatchObject([{ path: ['lags', 1], message: 'Must be >= 1' }])
  expect(schema.safeParse({}).error?.issues).toMatchObject([
    { path: ['lags'], message: 'Expected a value' },
  ])
  expect(toJsonSchema(schema)).toMatchObject({
    properties: { lags: { type: 'array', items: { type: 'integer', minimum: 1 } } },
    required: ['lags'],
  })
})

test('a field tells which values it takes', () => {
  expect(fromJsonSchema({ enum: ['a', 1] }).safeParse('b').error?.issues).toMatchObject([
    { message: 'Expected "a" or 1' },
  ])
})

test('what is no JSON Schema is refused when the field is made', () => {
  expect(() => fromJsonSchema({ type: 'lots' })).toThrow(/schema is invalid/)
})
