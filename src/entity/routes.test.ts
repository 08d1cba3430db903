import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { BaseServiceBuilder } from '../builder.ts'
import { createTestService } from '../testing/index.ts'
import { defineEntity } from './define.ts'

const users = defineEntity({
  name: 'user',
  schema: z.object({
    email: z.email(),
    name: z.string().min(1),
    age: z.int().min(0).nullable().default(null),
    active: z.boolean().default(true),
    score: z.number().optional(),
    settings: z.record(z.string(), z.unknown()).default({}),
  }),
  unique: ['email'],
})
const groups = defineEntity({
  name: 'work_group',
  path: '/groups',
  schema: z.object({ title: z.string(), team: z.string(), place: z.int().nullable() }),
  unique: [['team', 'place']],
  verbs: { delete: false },
})

const info = { id: 'shop', display_name: 'Shop', version: '1.0.0' }
const base = '/api/v1/users'
const unknownId = '01K72P5N5KCRM6MD3BRE4P0778'
const ann = { email: 'ann@example.org', name: 'Ann' }

function start() {
  const builder = new BaseServiceBuilder({ info }).withEntity(users).withEntity(groups)
  return createTestService(builder.build())
}

describe('creating', () => {
  test('answers 201 with the row, its defaults, and where it is', async () => {
    await using test = await start()
    const answer = await test.request('POST', base, { ...ann, tags: ['staff'], unheard: 1 })

    expect(answer.status).toBe(201)
    expect(Object.keys(answer.json)).toEqual([
      'id',
      'created_at',
      'updated_at',
      'tags',
      'email',
      'name',
      'age',
      'active',
      'settings',
    ])
    expect(answer.json).toMatchObject({
      ...ann,
      tags: ['staff'],
      age: null,
      active: true,
      settings: {},
    })
    expect(answer.headers.location).toMatch(new RegExp(`^http://.*${base}/${answer.json.id}$`))
    const read = await test.request('GET', `${base}/${answer.json.id}`)
    expect(read.json).toEqual(answer.json)
  })

  test('keeps an id that the client chose, and answers 409 when it is there already', async () => {
    await using test = await start()
    const { json } = await test.request('POST', base, { ...ann, id: unknownId })
    expect(json.id).toBe(unknownId)
    const again = await test.request('POST', base, {
      email: 'b@c.org',
      name: 'Bo',
      id: unknownId,
    })
    expect(again).toMatchObject({
      status: 409,
      json: {
        type: 'urn:chapkit:error:conflict',
        detail: `\`id\` "${unknownId}" is taken by another user`,
      },
    })
    expect((await test.request('GET', `${base}/${unknownId}`)).json.name).toBe('Ann')
  })

  test('says of every fault where it is, what was expected and what came', async () => {
    await using test = await start()
    const { status, json } = await test.request('POST', base, {
      email: 'ann',
      age: -1,
      settings: [],
      id: 'x',
      tags: ['a b'],
    })
    expect(status).toBe(422)
    const places = json.errors.map(({ loc }: { loc: string[] }) => loc.join('.'))
    expect(places.sort()).toEqual([
      'body.age',
      'body.email',
      'body.id',
      'body.name',
      'body.settings',
      'body.tags.0',
    ])
    const byPlace = Object.groupBy(json.errors as { loc: string[]; msg: string }[], ({ loc }) =>
      String(loc[1]),
    )
    expect(byPlace.email?.[0]?.msg).toContain('got "ann"')
    expect(byPlace.name?.[0]).toMatchObject({ type: 'missing' })
  })

  test.each([
    ['null', 422],
    ['[]', 422],
    ['"text"', 422],
    ['', 400],
    ['{', 400],
  ])('a body of %j is refused with %i', async (body, status) => {
    await using test = await start()
    const answer = await test.request('POST', base, body, { 'content-type': 'application/json' })
    expect(answer.status).toBe(status)
  })

  test('repeats the answer of an idempotency key instead of the write', async () => {
    await using test = await start()
    const headers = { 'idempotency-key': 'one' }
    const first = await test.request('POST', base, ann, headers)
    const second = await test.request('POST', base, ann, headers)
    expect(second.status).toBe(201)
    expect(second.text).toBe(first.text)
    expect(second.headers).toMatchObject({
      'idempotency-replayed': 'true',
      location: first.headers.location,
    })
    expect((await test.request('GET', `${base}/$stats`)).json).toEqual({ total: 1 })
  })

  test('half of a surrogate pair is refused, because a text column would change it', async () => {
    await using test = await start()
    const { status, json } = await test.request('POST', base, { ...ann, name: 'a\ud800' })
    expect(status).toBe(422)
    expect(json.errors[0].loc).toEqual(['body', 'name'])
  })
})

describe('unique fields', () => {
  test('a value that is taken is a 409 that names the field', async () => {
    await using test = await start()
    await test.request('POST', base, ann)
    const { status, json } = await test.request('POST', base, { ...ann, name: 'Other' })
    expect(status).toBe(409)
    expect(json.detail).toBe('`email` "ann@example.org" is taken by another user')
    expect(json.errors[0]).toMatchObject({ loc: ['body', 'email'], type: 'unique' })
  })

  test('of many requests at once for one value, one gets it', async () => {
    await using test = await start()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => test.request('POST', base, ann)),
    )
    const statuses = answers.map(({ status }) => status).sort()
    expect(statuses).toEqual([201, ...Array.from({ length: 19 }, () => 409)])
  })

  test('a row may be replaced with its own value, not with that of another', async () => {
    await using test = await start()
    await test.request('POST', base, ann)
    const bo = (await test.request('POST', base, { email: 'bo@example.org', name: 'Bo' })).json
    const own = await test.request('PUT', `${base}/${bo.id}`, { email: bo.email, name: 'Bob' })
    expect(own).toMatchObject({ status: 200, json: { name: 'Bob' } })
    const taken = await test.request('PUT', `${base}/${bo.id}`, { ...ann })
    expect(taken.status).toBe(409)
  })

  test('several together may be shared one by one, and null is shared with nobody', async () => {
    await using test = await start()
    const create = (team: string, place: number | null) =>
      test.request('POST', '/groups', { title: 't', team, place })
    expect((await create('a', 1)).status).toBe(201)
    expect((await create('a', 2)).status).toBe(201)
    expect((await create('b', 1)).status).toBe(201)
    expect((await create('a', null)).status).toBe(201)
    expect((await create('a', null)).status).toBe(201)
    const taken = await create('a', 1)
    expect(taken.status).toBe(409)
    expect(taken.json.detail).toBe('`team` "a" with `place` 1 is taken by another work_group')
  })
})

describe('reading', () => {
  test('lists in order of creation: whole, by number and by key', async () => {
    await using test = await start()
    const ids: string[] = []
    for (let at = 0; at < 5; at++) {
      const { json } = await test.request('POST', base, { email: `u${at}@example.org`, name: 'u' })
      ids.push(json.id)
    }
    const idsOf = (rows: { id: string }[]) => rows.map(({ id }) => id)

    expect(idsOf((await test.request('GET', base)).json)).toEqual(ids)
    const page = (await test.request('GET', `${base}?page=2&size=2`)).json
    expect(page).toMatchObject({ total: 5, page: 2, size: 2, pages: 3 })
    expect(idsOf(page.items)).toEqual(ids.slice(2, 4))
    const next = await test.request('GET', `${base}?after=${ids[0]}&size=2`)
    expect(idsOf(next.json)).toEqual(ids.slice(1, 3))
    expect(next.headers.link).toBe(`<?after=${ids[2]}&size=2>; rel="next"`)
  })

  test('an unknown id is a 404 and a bad one a 400, for every verb', async () => {
    await using test = await start()
    for (const [method, body] of [['GET'], ['PUT', ann], ['DELETE']] as const) {
      const unknown = await test.request(method, `${base}/${unknownId}`, body)
      expect(unknown).toMatchObject({
        status: 404,
        json: { detail: `User ${unknownId} not found` },
      })
      const bad = await test.request(method, `${base}/nope`, body)
      expect(bad).toMatchObject({ status: 400, json: { type: 'urn:chapkit:error:invalid-ulid' } })
    }
  })

  test('$schema describes the fields', async () => {
    await using test = await start()
    const { json } = await test.request('GET', `${base}/$schema`)
    expect(json).toMatchObject({
      type: 'object',
      title: 'User',
      required: ['email', 'name'],
      properties: { email: { format: 'email' }, active: { default: true } },
    })
  })
})

test('replacing sets what is sent, and leaves other fields, tags, id and creation as they were', async () => {
  await using test = await start()
  const made = (
    await test.request('POST', base, { ...ann, age: 7, active: false, score: 1.5, tags: ['x'] })
  ).json
  const { status, json } = await test.request('PUT', `${base}/${made.id}`, {
    email: 'new@example.org',
    name: 'New',
    id: unknownId,
  })
  expect(status).toBe(200)
  expect(json).toMatchObject({
    id: made.id,
    created_at: made.created_at,
    tags: ['x'],
    name: 'New',
    age: 7,
    active: false,
    score: 1.5,
  })
  const changed = await test.request('PUT', `${base}/${made.id}`, {
    ...{ email: 'new@example.org', name: 'New', tags: [], age: null },
  })
  expect(changed.json).toMatchObject({ tags: [], age: null, active: false, score: 1.5 })
  const kept = await test.request('PUT', `${base}/${made.id}`, { ...ann, tags: ['y'] })
  expect(kept.json).toMatchObject({ tags: ['y'], age: null, name: ann.name })
  const missing = await test.request('PUT', `${base}/${made.id}`, { name: 'New' })
  expect([missing.status, missing.json.errors[0].loc]).toEqual([422, ['body', 'email']])
})

test('a row that was read can be sent back', async () => {
  await using test = await start()
  const made = (await test.request('POST', base, { ...ann, tags: ['x'] })).json
  const { status, json } = await test.request('PUT', `${base}/${made.id}`, made)
  expect(status).toBe(200)
  expect(json).toEqual({ ...made, updated_at: json.updated_at })
})

test('deleting answers 204, and the row is gone', async () => {
  await using test = await start()
  const { id } = (await test.request('POST', base, ann)).json
  const deleted = await test.request('DELETE', `${base}/${id}`)
  expect(deleted).toMatchObject({ status: 204, text: '' })
  expect((await test.request('GET', `${base}/${id}`)).status).toBe(404)
  expect((await test.request('POST', base, ann)).status).toBe(201)
})

test('a verb that is left out answers 405 with the others', async () => {
  await using test = await start()
  const { status, headers } = await test.request('DELETE', `/groups/${unknownId}`)
  expect(status).toBe(405)
  expect(headers.allow).toBe('GET, HEAD, OPTIONS, PUT')
})

test('two entities live side by side', async () => {
  await using test = await start()
  await test.request('POST', base, ann)
  await test.request('POST', '/groups', { title: 'g', team: 'a', place: null })
  expect((await test.request('GET', base)).json).toHaveLength(1)
  const [group] = (await test.request('GET', '/groups')).json
  expect(group).toMatchObject({ title: 'g', place: null })
  expect((await test.request('GET', `${base}/${group.id}`)).status).toBe(404)
})

describe('in the API document', () => {
  interface Operation {
    'x-permission': string
    summary: string
    requestBody?: { content: Record<string, { example: object; schema: object }> }
    responses: Record<string, { content?: Record<string, { example?: unknown }> }>
  }

  test('every operation asks for its permission', async () => {
    await using test = await start()
    const { paths } = (await test.request('GET', '/openapi.json')).json
    const permission = (path: string, verb: string) => paths[path]?.[verb]?.['x-permission']
    expect(permission(base, 'post')).toBe('user:create')
    expect(permission(base, 'get')).toBe('user:read')
    expect(permission(`${base}/$schema`, 'get')).toBe('user:read')
    expect(permission(`${base}/$stats`, 'get')).toBe('user:read')
    expect(permission(`${base}/{id}`, 'get')).toBe('user:read')
    expect(permission(`${base}/{id}`, 'put')).toBe('user:update')
    expect(permission(`${base}/{id}`, 'delete')).toBe('user:delete')
    expect(permission('/groups', 'post')).toBe('work_group:create')
    expect(paths['/groups/{id}']).not.toHaveProperty('delete')
  })

  test('every answer has an example, and the example of a request can be sent', async () => {
    await using test = await start()
    const { paths } = (await test.request('GET', '/openapi.json')).json
    for (const path of Object.keys(paths).filter((each) => /users|groups/.test(each))) {
      for (const operation of Object.values<Operation>(paths[path])) {
        const answer = operation.responses['200'] ?? operation.responses['201']
        if (answer) expect(answer.content?.['application/json']?.example).toBeDefined()
      }
    }
    for (const path of [base, '/groups']) {
      const { example } = paths[path].post.requestBody.content['application/json']
      const { status, json } = await test.request('POST', path, example)
      expect(status).toBe(201)
      const shown = paths[path].post.responses['201'].content['application/json'].example
      expect(Object.keys(json)).toEqual(Object.keys(shown))
    }
  })
})
