/**
 * A service without a model: users with a unique e-mail. The second release gave them a role, in a migration of their own.
 */

import { BaseServiceBuilder, ChapkitError, defineEntity } from 'chapkit'
import { z } from 'zod'

export const users = defineEntity({
  name: 'user',
  schema: z.object({
    // One spelling of an address, so that "unique" means what people think it means.
    email: z.email().toLowerCase(),
    name: z.string().trim().min(1).max(200),
    age: z.int().min(0).nullable().default(null),
    active: z.boolean().default(true),
    role: z.enum(['admin', 'member']).default('member'),
  }),
  unique: ['email'],
  rules: {
    async beforeRemove(user, { stored }) {
      if (user.role === 'admin' && (await stored.count({ role: 'admin' })) === 1)
        throw new ChapkitError('conflict', 'The last admin stays: make another user admin first')
    },
  },
  migrations: {
    '0002-role': {
      adds: ['role'],
      async up(db) {
        // Whoever was there first ran the place alone; the others came later.
        await db.updateTable('entity_user').set({ role: 'member' }).execute()
        const first = db.selectFrom('entity_user').select('id').orderBy('created_at').limit(1)
        await db
          .updateTable('entity_user')
          .set({ role: 'admin' })
          .where('id', 'in', first)
          .execute()
      },
    },
  },
})

const service = new BaseServiceBuilder({
  module: import.meta.url,
  info: { id: 'users', display_name: 'Users' },
})
  .withHealth()
  .withLogging()
  .withEntity(users)
  .withRoutes((app, { entity }) => {
    app.get<{ Querystring: { email: string } }>(
      '/api/v1/users/$by-email',
      {
        schema: {
          querystring: {
            type: 'object',
            required: ['email'],
            properties: { email: { type: 'string' } },
          },
        },
        config: { permission: 'user:read' },
      },
      async ({ query }) => {
        const user = await entity(users).findBy({ email: query.email.toLowerCase() })
        if (!user) throw new ChapkitError('not-found', `No user has the e-mail ${query.email}`)
        return user
      },
    )
  })
  .build()

export default service

if (import.meta.main) await service.listen()
