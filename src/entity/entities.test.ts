import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { BaseServiceBuilder } from '../builder.ts'
import { ChapkitError } from '../errors.ts'
import { createTestService } from '../testing/index.ts'
import { defineEntity, type EntityDefinition } from './define.ts'

const info = { id: 'shop', display_name: 'Shop', version: '1.0.0' }

// biome-ignore lint/suspicious/noExplicitAny: definitions of any rows
async function start(...definitions: EntityDefinition<any>[]) {
  const builder = definitions.reduce(
    (all, definition) => all.withEntity(definition),
    new BaseServiceBuilder({ info }),
  )
  return createTestService(builder.build())
}

describe('what is stored comes back as it was', () => {
  const things = defineEntity({
    name: 'thing',
    schema: z.object({
      text: z.string(),
      maybe: z.string().nullable(),
      left_out: z.string().optional(),
      whole: z.int(),
      ratio: z.number().nullable(),
      flag: z.boolean(),
      maybeFlag: z.boolean().nullable(),
      kind: z.enum(['a', 'b']),
      either: z.union([z.string(), z.number(), z.null()]),
      list: z.array(z.string()),
      nested: z.object({ deep: z.json() }),
    }),
  })
  const text = fc.string({ unit: 'binary' })
  const number = fc.double({ noNaN: true, noDefaultInfinity: true })
  // JSON has one zero.
  const plain = number.map((each) => (Object.is(each, -0) ? 0 : each))
  const json = fc
    .jsonValue()
    .map((each) => JSON.parse(JSON.stringify(each)))
    // Keys of prototypes are refused before they come here.
    .filter((each) => !JSON.stringify(each).includes('__proto__'))
  const input = fc.record(
    {
      text,
      maybe: fc.option(text),
      left_out: text,
      whole: fc.maxSafeInteger().map((each) => each + 0),
      ratio: fc.option(plain),
      flag: fc.boolean(),
      maybeFlag: fc.option(fc.boolean()),
      kind: fc.constantFrom('a', 'b'),
      either: fc.oneof(text, plain, fc.constant(null)),
      list: fc.array(text),
      nested: fc.record({ deep: json }),
    },
    {
      requiredKeys: [
        'text',
        'maybe',
        'whole',
        'ratio',
        'flag',
        'maybeFlag',
        'kind',
        'either',
        'list',
        'nested',
      ],
    },
  )

  test('for any text, number, flag, null and JSON, when it is created, replaced, read and found', async () => {
    await using test = await start(things)
    const operations = test.parts.entity(things)
    await fc.assert(
      fc.asyncProperty(input, input, async (first, second) => {
        const made = await operations.create(first)
        expect(made).toMatchObject(first)
        expect(Object.hasOwn(made, 'left_out')).toBe(Object.hasOwn(first, 'left_out'))
        expect(await operations.get(made.id)).toEqual(made)
        const replaced = await operations.update(made.id, second)
        expect(await operations.get(made.id)).toEqual(replaced)
        const { id, created_at, updated_at, tags, ...fields } = replaced
        // What is left out stays as it was.
        const kept = { ...('left_out' in first && { left_out: first.left_out }), ...second }
        expect(fields).toEqual(kept)
        // Twins may have been there before.
        const found = await operations.findBy(fields as Partial<typeof replaced>)
        expect(found).toMatchObject(kept)
        await operations.remove(id)
      }),
      { numRuns: 150 },
    )
  })

  test('for any text that travels by HTTP', async () => {
    await using test = await start(things)
    const rest = {
      maybe: null,
      whole: 1,
      ratio: null,
      flag: false,
      maybeFlag: null,
      kind: 'a',
      either: null,
      list: [],
      nested: { deep: null },
    }
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        const { status, json } = await test.request('POST', '/api/v1/things', {
          ...rest,
          text: value,
        })
        expect(status).toBe(201)
        expect((await test.request('GET', `/api/v1/things/${json.id}`)).json.text).toBe(value)
      }),
      { numRuns: 50 },
    )
  })

  test('a value that JSON cannot say is a fault of the program and is not stored', async () => {
    const events = defineEntity({
      name: 'event',
      schema: z.object({ at: z.iso.datetime().transform((each) => new Date(each)) }),
    })
    await using test = await start(events)
    const { create, count } = test.parts.entity(events)
    await expect(create({ at: '2026-01-31T12:00:00Z' })).rejects.toThrow(/a Date of `at`/)
    expect(await count()).toBe(0)
  })
})

describe('operations', () => {
  const pets = defineEntity({
    name: 'pet',
    schema: z.object({ name: z.string(), owner: z.string().nullable().default(null) }),
  })

  test('find by fields, null among them, and count', async () => {
    await using test = await start(pets)
    const { create, findBy, count, list } = test.parts.entity(pets)
    const rex = await create({ name: 'Rex', owner: 'ann' })
    const stray = await create({ name: 'Rex' })
    expect(await findBy({ name: 'Rex' })).toEqual(rex)
    expect(await findBy({ name: 'Rex', owner: null })).toEqual(stray)
    expect(await findBy({ name: 'Tom' })).toBeUndefined()
    expect(await count({ name: 'Rex' })).toBe(2)
    expect(await list()).toEqual([rex, stray])
  })

  test('a forgotten value does not mean any', async () => {
    await using test = await start(pets)
    const { create, findBy, count } = test.parts.entity(pets)
    await create({ name: 'Rex' })
    const forgotten = { name: undefined } as never
    await expect(findBy(forgotten)).rejects.toThrow(/got nothing for `name`/)
    await expect(count({ colour: 'red' } as never)).rejects.toThrow(/got another key for `colour`/)
  })

  test('refuse as the routes do', async () => {
    await using test = await start(pets)
    const { create, get } = test.parts.entity(pets)
    await expect(create({ name: 3 } as never)).rejects.toMatchObject({ code: 'validation-failed' })
    await expect(get('01K72P5N5KCRM6MD3BRE4P0778')).rejects.toMatchObject({ code: 'not-found' })
  })

  test('an entity that was not added to the service is named', async () => {
    await using test = await start()
    expect(() => test.parts.entity(pets)).toThrow(/"pet" was not added/)
  })
})

describe('rules', () => {
  const teams = defineEntity({
    name: 'team',
    schema: z.object({ title: z.string() }),
    rules: {
      async beforeRemove(team, { tx }) {
        if ((await members.on(tx).count({ team: team.id })) > 0)
          throw new ChapkitError('conflict', 'The team has members')
      },
    },
  })
  interface Member {
    team: string
    name: string
  }
  const members: EntityDefinition<Member & { id: string }> = defineEntity({
    name: 'member',
    schema: z.object({ team: z.string(), name: z.string() }),
    rules: {
      async beforeCreate(fields, { tx, stored }) {
        if (!(await teams.on(tx).find(fields.team)))
          throw new ChapkitError('validation-failed', 'There is no such team')
        if ((await stored.count({ team: fields.team })) >= 2)
          throw new ChapkitError('conflict', 'The team is full')
        return { ...fields, name: fields.name.trim() }
      },
      beforeUpdate(fields, { current }) {
        if (fields.team !== current.team)
          throw new ChapkitError('conflict', 'Members do not change teams')
      },
    },
  })

  test('can change what is stored, and look at other entities', async () => {
    await using test = await start(teams, members)
    const { id } = (await test.request('POST', '/api/v1/teams', { title: 'A' })).json
    const made = await test.request('POST', '/api/v1/members', { team: id, name: ' Ann ' })
    expect(made).toMatchObject({ status: 201, json: { name: 'Ann' } })
    const refused = await test.request('POST', '/api/v1/members', { team: 'none', name: 'Bo' })
    expect(refused).toMatchObject({ status: 422, json: { detail: 'There is no such team' } })
  })

  test('hold when requests arrive together, because they run inside the write', async () => {
    await using test = await start(teams, members)
    const { id } = (await test.request('POST', '/api/v1/teams', { title: 'A' })).json
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        test.request('POST', '/api/v1/members', { team: id, name: `m${at}` }),
      ),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(2)
    expect(await test.parts.entity(members).count()).toBe(2)
  })

  test('can refuse a change and a removal', async () => {
    await using test = await start(teams, members)
    const { id: team } = (await test.request('POST', '/api/v1/teams', { title: 'A' })).json
    const { id } = (await test.request('POST', '/api/v1/members', { team, name: 'Ann' })).json
    const moved = await test.request('PUT', `/api/v1/members/${id}`, { team: 'other', name: 'Ann' })
    expect(moved).toMatchObject({ status: 409, json: { detail: 'Members do not change teams' } })
    expect((await test.request('DELETE', `/api/v1/teams/${team}`)).status).toBe(409)
    await test.request('DELETE', `/api/v1/members/${id}`)
    expect((await test.request('DELETE', `/api/v1/teams/${team}`)).status).toBe(204)
  })

  test('what a refused write has written besides is undone', async () => {
    const notes = defineEntity({
      name: 'note',
      schema: z.object({ text: z.string() }),
      rules: {
        async beforeCreate(_fields, { tx, id, now }) {
          const row = { id, created_at: now, updated_at: now, tags: '[]', name: 'c', data: '{}' }
          await tx
            .insertInto('config')
            .values({ ...row, created_by: null })
            .execute()
          throw new ChapkitError('conflict', 'No')
        },
      },
    })
    await using test = await start(notes)
    expect((await test.request('POST', '/api/v1/notes', { text: 'a' })).status).toBe(409)
    const rows = await test.parts.database.read.selectFrom('config').selectAll().execute()
    expect(rows).toEqual([])
  })

  test('a rule that makes what the schema would not is a fault of the program', async () => {
    const notes = defineEntity({
      name: 'note',
      schema: z.object({ text: z.string() }),
      rules: { beforeCreate: () => ({ text: 3 }) as never },
    })
    await using test = await start(notes)
    expect((await test.request('POST', '/api/v1/notes', { text: 'a' })).status).toBe(500)
    expect(await test.parts.entity(notes).count()).toBe(0)
  })
})
