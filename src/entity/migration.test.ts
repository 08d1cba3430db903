import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Kysely, sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { BaseServiceBuilder } from '../builder.ts'
import { createTestService } from '../testing/index.ts'
import { defineEntity, type EntityDefinition, type EntityMigration } from './define.ts'

const info = { id: 'shop', display_name: 'Shop', version: '1.0.0' }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chapkit-entity-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Starts a service with the entity on the database of this test, or on one in memory. */
// biome-ignore lint/suspicious/noExplicitAny: a definition of any rows
function start(definition: EntityDefinition<any>, databaseUrl = join(folder, 'shop.db')) {
  const service = new BaseServiceBuilder({ info }).withEntity(definition).build()
  return createTestService(service, { databaseUrl })
}

const first = z.object({ email: z.email(), name: z.string() })
const ann = { email: 'ann@example.org', name: 'Ann' }
const users = '/api/v1/users'

async function fill() {
  await using test = await start(defineEntity({ name: 'user', schema: first, unique: ['email'] }))
  return (await test.request('POST', users, ann)).json as { id: string }
}

test('rows outlive a restart', async () => {
  const made = await fill()
  await using test = await start(defineEntity({ name: 'user', schema: first, unique: ['email'] }))
  expect((await test.request('GET', `${users}/${made.id}`)).json).toEqual(made)
  expect((await test.request('POST', users, ann)).status).toBe(409)
})

describe("a user's own migration", () => {
  const grown = first.extend({ age: z.int().nullable().default(null) })
  let runs = 0
  const migrations: Record<string, EntityMigration> = {
    '0002-age': {
      adds: ['age'],
      async up(db) {
        runs++
        await db.updateTable('entity_user').set({ age: 7 }).execute()
      },
    },
  }
  const users2 = defineEntity({ name: 'user', schema: grown, unique: ['email'], migrations })
  beforeEach(() => {
    runs = 0
  })

  test('runs once on a database that is there, and not again', async () => {
    const { id } = await fill()
    {
      await using test = await start(users2)
      expect(runs).toBe(1)
      expect((await test.request('GET', `${users}/${id}`)).json.age).toBe(7)
      await test.request('PUT', `${users}/${id}`, { ...ann, age: 8 })
    }
    await using test = await start(users2)
    expect(runs).toBe(1)
    expect((await test.request('GET', `${users}/${id}`)).json.age).toBe(8)
  })

  test('leads a new database to the same table', async () => {
    await using test = await start(users2, ':memory:')
    expect(runs).toBe(1)
    const made = await test.request('POST', users, { ...ann, age: 3 })
    expect(made).toMatchObject({ status: 201, json: { age: 3 } })
  })

  test('that fails leaves nothing of itself, and runs whole when it is mended', async () => {
    await fill()
    const broken = { '0002-age': { adds: ['age'], up: async () => Promise.reject(new Error('x')) } }
    const brokenUsers = defineEntity({ name: 'user', schema: grown, migrations: broken })
    await expect(start(brokenUsers)).rejects.toThrow(/0002-age failed/)
    await using test = await start(users2)
    expect((await test.request('GET', users)).json[0].age).toBe(7)
  })

  test('can rename fields, one after the other, on databases old and new', async () => {
    const { id } = await fill()
    const renamed = defineEntity({
      name: 'user',
      schema: z.object({ mail: z.email(), full_name: z.string(), years: z.int().nullable() }),
      unique: ['mail'],
      migrations: {
        ...migrations,
        '0003-mail': { renames: { email: 'mail', age: 'years' } },
        '0004-name': {
          renames: { name: 'full_name' },
          async up(db) {
            await db.updateTable('entity_user').set({ full_name: 'Ann Other' }).execute()
          },
        },
      },
    })
    {
      await using test = await start(renamed)
      expect((await test.request('GET', `${users}/${id}`)).json).toMatchObject({
        mail: ann.email,
        full_name: 'Ann Other',
        years: 7,
      })
    }
    await using test = await start(renamed, ':memory:')
    const body = { mail: 'b@example.org', full_name: 'Bo', years: null }
    expect((await test.request('POST', users, body)).status).toBe(201)
    expect((await test.request('POST', users, body)).status).toBe(409)
  })

  test('can add an index of its own, whose refusals are conflicts too', async () => {
    const own = (column: 'name' | 'lower') =>
      defineEntity({
        name: 'user',
        schema: first,
        migrations: {
          '0002-index': {
            async up(db: Kysely<unknown>) {
              const index = db.schema.createIndex('one_name').unique().on('entity_user')
              await (column === 'name'
                ? index.columns(['tenant', 'name'])
                : index.expression(sql`lower(email)`)
              ).execute()
            },
          },
        },
      })
    {
      await using test = await start(own('name'), ':memory:')
      await test.request('POST', users, ann)
      const taken = await test.request('POST', users, { ...ann, email: 'b@example.org' })
      expect(taken).toMatchObject({
        status: 409,
        json: { detail: '`name` "Ann" is taken by another user' },
      })
    }
    await using test = await start(own('lower'), ':memory:')
    await test.request('POST', users, ann)
    const taken = await test.request('POST', users, { ...ann, email: 'ANN@example.org' })
    expect(taken).toMatchObject({
      status: 409,
      json: { detail: 'Another user is too much like this one' },
    })
  })
})

describe('a start is refused', () => {
  test('when a field has no column, with the migration to write', async () => {
    await fill()
    const grown = first.extend({ age: z.int().nullable(), home_town: z.string().optional() })
    const error: Error = await start(defineEntity({ name: 'user', schema: grown })).then(
      () => expect.unreachable(),
      (thrown) => thrown,
    )
    expect(error.message).toContain('no column for `age`, `home_town`')
    expect(error.message).toContain("'0002-age-home-town': { adds: ['age', 'home_town'] },")
    const migrations = { '0002-age-home-town': { adds: ['age', 'home_town'] } }
    await using test = await start(defineEntity({ name: 'user', schema: grown, migrations }))
    const [row] = (await test.request('GET', users)).json
    expect(row).toMatchObject({ ...ann, age: null })
    expect(row).not.toHaveProperty('home_town')
  })

  test('when a column is of another type than its field now', async () => {
    await fill()
    const changed = defineEntity({ name: 'user', schema: first.extend({ name: z.int() }) })
    await expect(start(changed)).rejects.toThrow(/`name` of entity_user is of type text.*bigint/)
  })

  test('when rows share what is to be unique', async () => {
    {
      await using test = await start(defineEntity({ name: 'user', schema: first }))
      await test.request('POST', users, ann)
      await test.request('POST', users, ann)
    }
    const unique = defineEntity({ name: 'user', schema: first, unique: ['email'] })
    await expect(start(unique)).rejects.toThrow(/cannot be made unique by email/)
  })

  test('when the database is newer than the program', async () => {
    const migrations = { '0002-later': {} }
    await using later = await start(defineEntity({ name: 'user', schema: first, migrations }))
    await later.close()
    await expect(start(defineEntity({ name: 'user', schema: first }))).rejects.toThrow(
      /newer than this program: it has the migration "0002-later"/,
    )
  })
})

test('fields become unique in a later release without a migration', async () => {
  {
    await using test = await start(defineEntity({ name: 'user', schema: first }))
    await test.request('POST', users, ann)
  }
  const unique = defineEntity({ name: 'user', schema: first, unique: ['email'], indexes: ['name'] })
  await using test = await start(unique)
  expect((await test.request('POST', users, ann)).status).toBe(409)
  const { rows } = await sql<{ name: string }>`
    select name from sqlite_master where type = 'index' and sql is not null and tbl_name = 'entity_user' order by name
  `.execute(test.parts.database.read)
  expect(rows.map(({ name }) => name)).toEqual([
    'entity_user$created',
    'entity_user$index$name',
    'entity_user$unique$email',
  ])
})

test('a field that is gone leaves its column and its migration behind', async () => {
  const grown = first.extend({ age: z.int().nullable() })
  const adds = { '0002-age': { adds: ['age'] } }
  {
    await using test = await start(defineEntity({ name: 'user', schema: grown, migrations: adds }))
    await test.request('POST', users, { ...ann, age: 3 })
  }
  expect(() => defineEntity({ name: 'user', schema: first, migrations: adds })).toThrow(
    /leave the migration in place without it: '0002-age': \{\}/,
  )
  const without = defineEntity({ name: 'user', schema: first, migrations: { '0002-age': {} } })
  await using test = await start(without)
  expect((await test.request('GET', users)).json[0]).not.toHaveProperty('age')
  expect((await test.request('POST', users, ann)).status).toBe(201)
})
