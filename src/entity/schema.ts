import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Migration } from 'kysely/migration'
import type { Queries } from '../db/tables.ts'
import type { CrudVerbs } from '../http/routes.ts'
import type { Page, PageRequest } from '../kernel/page.ts'

/** An object schema of Zod 4, or of another library that implements Standard Schema and describes itself as JSON Schema. */
export type EntitySchema = StandardSchemaV1<unknown, object>

/** What every row has beside the fields of its schema. */
export interface EntityMeta {
  id: string
  created_at: string
  updated_at: string
  tags: string[]
}

/** A row as it is answered: its meta data and, beside them, its fields. */
export type EntityRow<Fields> = Flat<EntityMeta & Fields>

/** What a row is made of or replaced by: its fields, and beside them an id chosen by the client and tags. */
export type EntityInput<Fields> = Flat<
  { id?: string | null | undefined; tags?: string[] | undefined } & Fields
>

type Flat<Type> = { [Key in keyof Type]: Type[Key] }

/** Reading the rows of an entity. */
export interface EntityReads<Row> {
  find(id: string): Promise<Row | undefined>
  /** The first row, in order of creation, whose fields equal these. */
  findBy(match: Partial<Row>): Promise<Row | undefined>
  /** In order of creation; all of them unless a page is asked for. */
  list(page?: PageRequest): Promise<Row[]>
  /** How many rows there are, or how many have fields that equal these. */
  count(match?: Partial<Row>): Promise<number>
}

/** The operations of a user's own entity. They check, apply the rules and throw a `ChapkitError` just as the routes do. */
export interface EntityOperations<Row, Input = unknown> extends EntityReads<Row> {
  /** Throws `not-found`. */
  get(id: string): Promise<Row>
  create(input: Input): Promise<Row>
  /** Replaces the fields; optional ones and tags that are left out stay as they are. */
  update(id: string, input: Input): Promise<Row>
  remove(id: string): Promise<void>
  page(page: number, size: number): Promise<Page<Row>>
}

/** What a rule may look at. A rule runs inside the write that it judges and must wait for nothing but its queries. */
export interface RuleContext<Row> {
  /** The transaction of the write. What a rule writes here is stored with the row, or not at all. */
  tx: Queries
  /** The rows of this entity as the transaction sees them. For those of another entity: `other.on(tx)`. */
  stored: EntityReads<Row>
  /** The time that the write carries. */
  now: string
}

/** What a rule answers: other fields than those it was given, or nothing to leave them as they are. */
type Ruled<Fields> = Fields | undefined | Promise<Fields | undefined>

/**
 * Rules of a user's own that a schema cannot say. They run after validation and inside the transaction of the write, so that
 * what they have read is still true when it commits. A rule that throws a `ChapkitError` refuses the write.
 */
export interface EntityRules<Fields> {
  beforeCreate?(
    fields: Fields,
    context: RuleContext<EntityRow<Fields>> & { id: string; tags: readonly string[] },
  ): Ruled<Fields>
  beforeUpdate?(
    fields: Fields,
    context: RuleContext<EntityRow<Fields>> & {
      current: EntityRow<Fields>
      tags: readonly string[]
    },
  ): Ruled<Fields>
  beforeRemove?(
    row: EntityRow<Fields>,
    context: RuleContext<EntityRow<Fields>>,
  ): undefined | Promise<undefined>
}

/**
 * A later step in the life of the table. `renames` come first, then `adds`, then `up`. Once it has run somewhere it must keep
 * its name, and do what it did.
 */
export interface EntityMigration {
  /** Fields whose columns this migration adds. Rows that are there already hold null in them until `up` fills them. */
  adds?: readonly string[]
  /** Fields that got another name: old to new. */
  renames?: Readonly<Record<string, string>>
  /** Anything else, with Kysely. The table is `entity_<name>`. */
  up?: Migration['up']
}

/** How an entity is defined: its schema, and what the schema cannot say. */
export interface EntityOptions<Schema extends EntitySchema> {
  /** Singular, of lower-case letters, digits, `-` and `_`: names the table and the permissions (`user:create`, …). */
  name: string
  /** Where its routes answer. @default `/api/v1/<name>s` */
  path?: string
  /** Its fields. Each becomes a column and stands at the top level of a row, beside `id`, `created_at`, `updated_at`, `tags`. */
  schema: Schema
  /** Fields that no two rows may share, alone (`'email'`) or together (`['team', 'number']`). Null equals nothing. */
  unique?: readonly Keys<StandardSchemaV1.InferOutput<Schema>>[]
  /** Fields that are searched for often, alone or together. */
  indexes?: readonly Keys<StandardSchemaV1.InferOutput<Schema>>[]
  /** Verbs to leave out are set to false. @default all */
  verbs?: Partial<CrudVerbs>
  rules?: EntityRules<StandardSchemaV1.InferOutput<Schema>>
  /** What happened to the table after its first release, by name: `'0002-age'`, `'0003-…'`. The first one is made from the schema. */
  migrations?: Readonly<Record<string, EntityMigration>>
  /** An input that fits, for the API document. @default one made from the schema */
  example?: StandardSchemaV1.InferInput<Schema>
}

type Name<Fields> = Extract<keyof Fields, string>
type Keys<Fields> = Name<Fields> | readonly Name<Fields>[]
