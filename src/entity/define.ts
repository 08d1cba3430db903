import type { FastifyInstance } from 'fastify'
import type { Migration } from 'kysely/migration'
import type { Database } from '../db/database.ts'
import type { Idempotency } from '../idempotency/idempotency.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Page, PageRequest } from '../kernel/page.ts'

/** The operations of a user's own entity. */
export interface EntityOperations<Row> {
  get(id: string): Promise<Row>
  find(id: string): Promise<Row | undefined>
  create(input: unknown): Promise<Row>
  update(id: string, input: unknown): Promise<Row>
  remove(id: string): Promise<void>
  list(page: PageRequest): Promise<Row[]>
  page(page: number, size: number): Promise<Page<Row>>
  count(): Promise<number>
}

export interface EntityDeps {
  database: Database
  idempotency: Idempotency
  now: Clock
  newId: () => string
  publicUrl: string | null
}

/** A user's own entity: its table and migrations, its rules and its routes. */
export interface EntityDefinition<Row> {
  readonly name: string
  readonly migrations: Record<string, Migration>
  create(deps: EntityDeps): {
    operations: EntityOperations<Row>
    routes: (app: FastifyInstance) => Promise<void>
  }
}
