import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { cases } from '../../test/setup/campaign.ts'
import { createConfigs } from '../config/configs.ts'
import { configStore } from '../config/store.ts'
import type { Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { openSqlite } from '../db/sqlite.ts'
import type { Queries } from '../db/tables.ts'
import { createJobs } from '../job/jobs.ts'
import type { JobStatus } from '../job/schema.ts'
import { type JobFilter, jobStore } from '../job/store.ts'
import { toTimestamp } from '../kernel/clock.ts'
import { createIds } from '../kernel/id.ts'
import { fakeClock } from '../testing/clock.ts'
import { sendList } from './routes.ts'

type Query = Record<string, string | number>
type List = Parameters<typeof sendList>[2]

/** What a route answers to a query, without a server around it. */
async function ask(list: List, query: Query) {
  const answer = { link: undefined as string | undefined, text: '' }
  const reply = {
    header(name: string, value: string) {
      if (name === 'link') answer.link = value
      return reply
    },
    serializer: () => reply,
    send(body: string) {
      answer.text = body
      return reply
    },
  }
  await sendList({ query } as never, reply as never, list)
  const { link, text } = answer
  const next = link === undefined ? undefined : queryOf(link)
  return { json: JSON.parse(text), next }
}

function queryOf(link: string): Query {
  const found = /^<\?(.*)>; rel="next"$/.exec(link)
  const query = Object.fromEntries(new URLSearchParams(found?.[1]))
  return { ...query, size: Number(query.size) }
}

/** Something in a list, as the test knows it. */
interface Item {
  id: string
  at: string
  type: string
  status: JobStatus
  /** Its id was chosen by whoever sent it. */
  isForeign: boolean
}

interface Kind {
  list: (filter: JobFilter) => List
  insert: (tx: Queries, item: Item) => Promise<unknown>
  remove: (tx: Queries, id: string) => Promise<unknown>
  /** Begins a walk by key. */
  start: string
  isNewestFirst: boolean
}

const lastId = '7ZZZZZZZZZZZZZZZZZZZZZZZZZ'
const types = ['train', 'predict']
const statuses = ['pending', 'failed'] as const

const change = fc.oneof(
  fc.record({
    do: fc.constant('insert' as const),
    after: fc.constantFrom(0, 0, 1, 1000),
    type: fc.constantFrom(...types),
    status: fc.constantFrom(...statuses),
    // Of any time, long ago or far ahead.
    own: fc.option(fc.nat(2 ** 41), { freq: 4 }),
  }),
  fc.record({ do: fc.constant('remove' as const), which: fc.nat(30) }),
  fc.record({ do: fc.constant('remove the last one seen' as const) }),
)

describe('pages of a list', () => {
  let database: Database
  const now = fakeClock()
  const newId = createIds(now)

  const kinds: Record<'configs' | 'jobs', Kind> = {
    configs: {
      list: () => {
        const configs = createConfigs({ database, schema: z.object({}), now, newId })
        return { fetch: configs.list, page: configs.page }
      },
      insert: (tx, { id, at }) =>
        configStore.insert(tx, {
          ...{ id, name: 'a', data: '{}', tags: '[]' },
          ...{ created_at: at, updated_at: at },
        }),
      remove: configStore.remove,
      start: '00000000000000000000000000',
      isNewestFirst: false,
    },
    jobs: {
      list: (filter) => {
        const jobs = createJobs({ database, now } as never)
        return {
          fetch: (page) => jobs.list(filter, page),
          page: (page, size) => jobs.page(filter, page, size),
        }
      },
      insert: (tx, { id, at, type, status }) =>
        jobStore.insert(tx, {
          ...{ id, type, status, payload: '{}', subject_id: null, artifact_id: null },
          ...{ attempt: 0, token: null, boot: null, host_deaths: 0, service_deaths: 0 },
          ...{
            failures: 0,
            cancel_requested: 0,
            progress: null,
            error: null,
            error_traceback: null,
          },
          ...{
            priority: 0,
            run_at: at,
            submitted_at: at,
            started_at: null,
            finished_at: null,
            kept_since: null,
          },
        }),
      remove: jobStore.remove,
      start: lastId,
      isNewestFirst: true,
    },
  }

  beforeAll(async () => {
    database = openSqlite(':memory:')
    await migrate(database)
  })
  afterAll(() => database.close())

  test('together are the list, whatever comes and goes meanwhile: nothing twice, nothing left out', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...(Object.keys(kinds) as (keyof typeof kinds)[])),
        fc.array(change, { maxLength: 10 }),
        fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 10 }),
        fc.integer({ min: 1, max: 4 }),
        fc.record(
          { type: fc.constantFrom(...types), status: fc.constantFrom(...statuses) },
          { requiredKeys: [] },
        ),
        async (name, before, meanwhile, size, filter) => {
          const kind = kinds[name]
          const list = kind.list(filter)
          let items: Item[] = []
          const isWanted = ({ type, status }: Item) =>
            name === 'configs' ||
            ((filter.type ?? type) === type && (filter.status ?? status) === status)
          const sorted = () =>
            items.filter(isWanted).sort((a, b) => {
              const order = a.at === b.at ? a.id < b.id : a.at < b.at
              return order === kind.isNewestFirst ? 1 : -1
            })

          const perform = (changes: readonly (typeof before)[number][], seen?: Item) =>
            database.write(async (tx) => {
              for (const each of changes) {
                if (each.do === 'insert') {
                  now.advance(each.after)
                  const id = each.own === null ? newId() : createIds(() => each.own as number)()
                  const { type, status } = each
                  const item = {
                    id,
                    at: toTimestamp(now()),
                    type,
                    status,
                    isForeign: each.own !== null,
                  }
                  await kind.insert(tx, item)
                  items.push(item)
                  continue
                }
                const item = each.do === 'remove' ? items[each.which % items.length] : seen
                // Where something was is known from its id, unless somebody else chose that.
                if (!item || !items.includes(item) || (item === seen && item.isForeign)) continue
                await kind.remove(tx, item.id)
                items = items.filter((other) => other !== item)
              }
            })

          await database.write(async (tx) => {
            await tx.deleteFrom('config').execute()
            await tx.deleteFrom('job').execute()
          })
          await perform(before)

          const ids = (list: { id: string }[]) => list.map(({ id }) => id)
          const whole = ids(sorted())
          expect(ids((await ask(list, filter)).json)).toEqual(whole)
          const pages = Math.ceil(whole.length / size)
          for (let page = 1; page <= pages + 1; page++) {
            const { json } = await ask(list, { ...filter, page, size })
            expect({ ...json, items: ids(json.items) }).toEqual({
              ...{ total: whole.length, page, size, pages },
              items: whole.slice((page - 1) * size, page * size),
            })
          }

          const there = new Set(items)
          const seen: Item[] = []
          let query: Query | undefined = { ...filter, after: kind.start, size }
          for (let page = 0; query; page++) {
            const { json, next }: Awaited<ReturnType<typeof ask>> = await ask(list, query)
            const found = sorted().filter((item) => json.some(({ id }: Item) => id === item.id))
            expect(ids(json)).toEqual(ids(found))
            seen.push(...found)
            expect(new Set(seen).size).toBe(seen.length)
            const last = found.at(-1)
            const isFull = json.length === size
            expect(next).toEqual(isFull ? { ...filter, after: last?.id, size } : undefined)
            query = next
            if (!query) break
            await perform(meanwhile[page] ?? [], last)
            for (const item of there) if (!items.includes(item)) there.delete(item)
          }
          expect([...there].filter((item) => isWanted(item) && !seen.includes(item))).toEqual([])
        },
      ),
      { numRuns: cases(10_000) },
    )
  }, 600_000)
})
