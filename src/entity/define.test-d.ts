import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { ChapkitError } from '../errors.ts'
import { defineEntity, type EntityDefinition, type EntityOperations } from './define.ts'

const schema = z.object({
  email: z.email(),
  age: z.int().nullable().default(null),
  nickname: z.string().optional(),
  roles: z.array(z.enum(['admin', 'guest'])).default([]),
})

interface User {
  id: string
  created_at: string
  updated_at: string
  tags: string[]
  email: string
  age: number | null
  nickname?: string | undefined
  roles: ('admin' | 'guest')[]
}

type OperationsOf<Definition> =
  Definition extends EntityDefinition<infer Row, infer Input> ? EntityOperations<Row, Input> : never

test('a row has the fields of the schema, as they are stored, beside its own', () => {
  const users = defineEntity({ name: 'user', schema })
  const operations = {} as OperationsOf<typeof users>

  expectTypeOf(operations.get).returns.resolves.toEqualTypeOf<User>()
  expectTypeOf(operations.find).returns.resolves.toEqualTypeOf<User | undefined>()
  expectTypeOf(operations.list).returns.resolves.toEqualTypeOf<User[]>()
  expectTypeOf(operations.findBy).parameter(0).toEqualTypeOf<Partial<User>>()
  expectTypeOf(users.on).returns.toHaveProperty('findBy')
})

test('what is created is typed as the input of the schema, with an id and tags that may be left out', () => {
  const users = defineEntity({ name: 'user', schema })
  const { create, update } = {} as OperationsOf<typeof users>

  expectTypeOf(create).toBeCallableWith({ email: 'a@b.org' })
  expectTypeOf(create).toBeCallableWith({ email: 'a@b.org', age: null, id: null, tags: ['x'] })
  // @ts-expect-error an email is needed
  create({ age: 3 })
  // @ts-expect-error an age is a number
  update('id', { email: 'a@b.org', age: 'old' })
})

test('rules are given the fields as they will be stored', () => {
  defineEntity({
    name: 'user',
    schema,
    rules: {
      async beforeCreate(fields, { stored, id, now }) {
        expectTypeOf(fields.age).toEqualTypeOf<number | null>()
        expectTypeOf(id).toBeString()
        expectTypeOf(now).toBeString()
        const other = await stored.findBy({ email: fields.email })
        expectTypeOf(other).toEqualTypeOf<User | undefined>()
        if (other) throw new ChapkitError('conflict', 'taken')
      },
      beforeUpdate: (fields, { current }) => ({ ...fields, roles: current.roles }),
      beforeRemove: async (row) => {
        expectTypeOf(row).toEqualTypeOf<User>()
      },
    },
  })
  defineEntity({
    name: 'user',
    schema,
    rules: {
      beforeCreate(fields) {
        if (fields.age === 0) return { ...fields, age: null }
      },
      beforeUpdate() {},
      beforeRemove() {
        throw new ChapkitError('conflict', 'no')
      },
    },
  })
})

test('only fields of the schema can be unique or indexed', () => {
  defineEntity({ name: 'user', schema, unique: ['email', ['nickname', 'age']], indexes: ['age'] })
  // @ts-expect-error there is no such field
  defineEntity({ name: 'user', schema, unique: ['phone'] })
  // @ts-expect-error there is no such field
  defineEntity({ name: 'user', schema, indexes: [['email', 'phone']] })
  // @ts-expect-error a rule answers fields
  defineEntity({ name: 'user', schema, rules: { beforeCreate: () => ({ email: 3 }) } })
})
