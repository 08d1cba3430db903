import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BaseServiceBuilder, defineEntity } from 'chapkit'
import { createTestService } from 'chapkit/testing'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import service, { users } from './service.ts'

const ann = { email: 'Ann@Example.org', name: ' Ann ' }

test('a user is created, found by e-mail in any spelling, changed and deleted', async () => {
  await using run = await createTestService(service)
  const made = await run.request('POST', '/api/v1/users', ann)
  expect(made).toMatchObject({
    status: 201,
    json: { email: 'ann@example.org', name: 'Ann', age: null, active: true, role: 'member' },
  })
  const { id } = made.json

  const found = await run.request('GET', '/api/v1/users/$by-email?email=ANN@example.org')
  expect(found).toMatchObject({ status: 200, json: made.json })

  const changed = await run.request('PUT', `/api/v1/users/${id}`, { ...made.json, active: false })
  expect(changed).toMatchObject({ status: 200, json: { active: false } })
  expect((await run.request('DELETE', `/api/v1/users/${id}`)).status).toBe(204)
  expect((await run.request('GET', `/api/v1/users/$by-email?email=${ann.email}`)).status).toBe(404)
})

test('two users cannot share an e-mail, whatever its case', async () => {
  await using run = await createTestService(service)
  await run.request('POST', '/api/v1/users', ann)
  const second = await run.request('POST', '/api/v1/users', { ...ann, email: 'ANN@example.ORG' })
  expect(second).toMatchObject({
    status: 409,
    json: { detail: '`email` "ann@example.org" is taken by another user' },
  })
})

test('the last admin stays', async () => {
  await using run = await createTestService(service)
  const create = async (email: string) =>
    (await run.request('POST', '/api/v1/users', { email, name: 'A', role: 'admin' })).json.id
  const first = await create('a@example.org')
  const second = await create('b@example.org')
  expect((await run.request('DELETE', `/api/v1/users/${first}`)).status).toBe(204)
  expect((await run.request('DELETE', `/api/v1/users/${second}`)).status).toBe(409)
})

test('users of the first release have a role after the migration', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-users-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const databaseUrl = join(folder, 'users.db')
  const firstRelease = defineEntity({
    name: 'user',
    schema: z.object({
      email: z.email(),
      name: z.string(),
      age: z.int().nullable().default(null),
      active: z.boolean().default(true),
    }),
    unique: ['email'],
  })
  const builder = new BaseServiceBuilder({ info: { id: 'users', display_name: 'Users' } })
  {
    await using old = await createTestService(builder.withEntity(firstRelease).build(), {
      databaseUrl,
    })
    for (const email of ['a@example.org', 'b@example.org'])
      await old.request('POST', '/api/v1/users', { email, name: 'A' })
  }
  await using run = await createTestService(service, { databaseUrl })
  const rows = await run.parts.entity(users).list()
  expect(rows.map(({ email, role }) => `${email} ${role}`)).toEqual([
    'a@example.org admin',
    'b@example.org member',
  ])
})
