import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { BaseServiceBuilder } from '../builder.ts'
import { toJsonSchema } from '../kernel/json-schema.ts'
import { createTestService } from '../testing/index.ts'
import { toFields } from './columns.ts'
import { defineEntity } from './define.ts'

const schema = z.object({ title: z.string() })
const info = { id: 'shop', display_name: 'Shop', version: '1.0.0' }

describe('a definition is refused', () => {
  test.each(['User', '1user', 'a.b', '', 'x'.repeat(41)])('when its name is %j', (name) => {
    expect(() => defineEntity({ name, schema })).toThrow(/Expected an entity's name/)
  })

  test.each(['config', 'artifact', 'job', 'ml', 'service', 'public', 'lock', 'user_lock'])(
    'when its name %j is the own of the service',
    (name) => {
      expect(() => defineEntity({ name, schema })).toThrow(/uses that name itself/)
    },
  )

  test.each(['users', '/users/', '/a/../b', '/a?b', '/:id'])('when its path is %j', (path) => {
    expect(() => defineEntity({ name: 'user', schema, path })).toThrow(/like "\/api\/v1\/users"/)
  })

  test.each(['0001-x', '2-x', 'age', '0002_age'])('when a migration is named %j', (name) => {
    expect(() => defineEntity({ name: 'user', schema, migrations: { [name]: {} } })).toThrow(
      /named like "0002-age"/,
    )
  })

  test.each([
    ['id', /"id" is taken/],
    ['Tags', /"Tags" is taken/],
    ['a.b', /Expected field names/],
    ['TITLE', /apart from their case/],
  ])('when a field is named %j', (field, message) => {
    const broken = z.object({ title: z.string(), [field]: z.string() })
    expect(() => defineEntity({ name: 'user', schema: broken })).toThrow(message)
  })

  test('when its schema is no object, cannot be described, or has a type that JSON lacks', () => {
    const union = z.union([z.object({ a: z.string() }), z.object({ b: z.string() })])
    expect(() => defineEntity({ name: 'user', schema: union })).toThrow(/at least one field/)
    const dated = z.object({ at: z.date() })
    expect(() => defineEntity({ name: 'user', schema: dated })).toThrow(/"user" cannot be used/)
  })

  test('at the start, when its example does not fit', async () => {
    const posts = defineEntity({ name: 'post', schema, example: { title: 3 as never } })
    const service = new BaseServiceBuilder({ info }).withEntity(posts).build()
    await expect(createTestService(service)).rejects.toThrow(/example of the entity "post"/)
  })
})

test('types of fields become the plainest columns that keep them', () => {
  const fields = toFields(
    toJsonSchema(
      z.object({
        text: z.string(),
        email: z.email().nullable(),
        kind: z.enum(['a', 'b']).optional(),
        whole: z.int(),
        ratio: z.number().nullish(),
        flag: z.boolean(),
        mixed: z.union([z.string(), z.number()]),
        numbers: z.union([z.int(), z.number()]),
        list: z.array(z.string()),
        any: z.unknown(),
        made: z.string().transform((each) => each.length),
      }),
      'output',
    ),
  )
  const shown = fields.map(({ name, kind, readsNull }) => `${name} ${kind}${readsNull ? '?' : ''}`)
  expect(shown).toEqual([
    'text text?',
    'email text?',
    'kind text',
    'whole integer?',
    'ratio number?',
    'flag boolean?',
    'mixed json?',
    'numbers number?',
    'list json?',
    'any json?',
    'made json?',
  ])
})

test('a schema may refer to itself', async () => {
  const Tree = z.object({
    title: z.string(),
    get branches() {
      return z.array(Tree).default([])
    },
  })
  const trees = defineEntity({ name: 'tree', schema: Tree })
  await using test = await createTestService(
    new BaseServiceBuilder({ info }).withEntity(trees).build(),
  )
  const body = { title: 'a', branches: [{ title: 'b', branches: [] }] }
  const made = await test.request('POST', '/api/v1/trees', body)
  expect(made).toMatchObject({ status: 201, json: body })
  const document = (await test.request('GET', '/openapi.json')).json
  expect(JSON.stringify(document.paths)).not.toContain('$defs')
})

test('an example that fits is found for what schemas usually say', async () => {
  const schema = z.object({
    email: z.email().toLowerCase(),
    site: z.url().optional(),
    at: z.iso.datetime(),
    day: z.iso.date(),
    key: z.uuid(),
    short: z.string().max(3),
    long: z.string().min(30).max(31),
    code: z.string().regex(/^[A-Z]{3}$/),
    kind: z.enum(['a', 'b']),
    exact: z.literal(4),
    odd: z.int().min(11).multipleOf(5),
    rate: z.number().gt(0).lt(1),
    below: z.int().max(-3),
    share: z.number().nullable(),
    pair: z.tuple([z.string(), z.int()]),
    three: z.array(z.int()).min(3),
    place: z.object({ lat: z.number(), name: z.string().optional() }),
    either: z.union([z.null(), z.string(), z.int()]),
    map: z.record(z.string(), z.int()),
    free: z.unknown(),
    told: z.string().meta({ examples: ['as told'] }),
  })
  const samples = defineEntity({ name: 'sample', schema })
  await using test = await createTestService(
    new BaseServiceBuilder({ info }).withEntity(samples).build(),
  )
  const { paths } = (await test.request('GET', '/openapi.json')).json
  const { example } = paths['/api/v1/samples'].post.requestBody.content['application/json']
  expect(schema.safeParse(example).error?.issues).toBeUndefined()
  expect(Object.keys(example)).toEqual([...Object.keys(schema.shape), 'tags'])
  expect(example.told).toBe('as told')
})

test('an example that is given is shown', async () => {
  const code = z.string().regex(/^Q-\d{7}$/)
  const goods = defineEntity({
    name: 'good',
    schema: z.object({ code }),
    example: { code: 'Q-1234567' },
  })
  await using test = await createTestService(
    new BaseServiceBuilder({ info }).withEntity(goods).build(),
  )
  const { paths } = (await test.request('GET', '/openapi.json')).json
  const { post } = paths['/api/v1/goods']
  expect(post.requestBody.content['application/json'].example.code).toBe('Q-1234567')
  expect(post.responses['201'].content['application/json'].example.code).toBe('Q-1234567')
})

test('a schema that forbids unknown keys still takes ids and tags', async () => {
  const strict = defineEntity({ name: 'strict', schema: z.strictObject({ title: z.string() }) })
  await using test = await createTestService(
    new BaseServiceBuilder({ info }).withEntity(strict).build(),
  )
  const made = await test.request('POST', '/api/v1/stricts', { title: 'a', tags: ['x'], id: null })
  expect(made.status).toBe(201)
  expect((await test.request('POST', '/api/v1/stricts', { title: 'a', other: 1 })).status).toBe(422)
})
