import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Migration } from 'kysely/migration'
import type { Database } from '../db/database.ts'
import type { Queries } from '../db/tables.ts'
import type { Idempotency } from '../idempotency/idempotency.ts'
import type { Clock } from '../kernel/clock.ts'
import { type JsonSchema, toJsonSchema } from '../kernel/json-schema.ts'
import { permissionCatalogue } from '../permissions.ts'
import { type Field, inlineRefs, toFields } from './columns.ts'
import { createEntities, createReads, type Row } from './entities.ts'
import { exampleFields } from './examples.ts'
import { parseInput, type Values } from './input.ts'
import { prepareTable, toMigrations } from './migration.ts'
import { type EntityPlugin, entityRoutes } from './routes.ts'
import type {
  EntityInput,
  EntityOperations,
  EntityOptions,
  EntityReads,
  EntityRow,
  EntityRules,
  EntitySchema,
} from './schema.ts'
import { createEntityStore } from './store.ts'

export type {
  EntityInput,
  EntityMigration,
  EntityOperations,
  EntityOptions,
  EntityReads,
  EntityRow,
  EntityRules,
  EntitySchema,
  RuleContext,
} from './schema.ts'

export interface EntityDeps {
  database: Database
  idempotency: Idempotency
  now: Clock
  newId: () => string
  publicUrl: string | null
}

/** A user's own entity: its table and migrations, its rules and its routes. */
export interface EntityDefinition<Row, Input = unknown, Name extends string = string> {
  readonly name: Name
  readonly path: string
  readonly migrations: Record<string, Migration>
  /** Reading its rows in a transaction, say in a rule of another entity or beside a write of one's own. */
  on(tx: Queries): EntityReads<Row>
  create(deps: EntityDeps): {
    operations: EntityOperations<Row, Input>
    routes: EntityPlugin
  }
  /** Only for the types: what clients send and get. */
  readonly '~types'?: { row: Row; input: Input }
}

/**
 * Defines an entity of a user's own: from one schema its table with migrations, its validation, typed operations and the
 * routes that create, read, replace and delete. Add it to a service with `withEntity`. Throws when the definition is not sound.
 *
 * @example
 * ```ts
 * const users = defineEntity({
 *   name: 'user',
 *   schema: z.object({ email: z.email(), name: z.string().min(1) }),
 *   unique: ['email'],
 * })
 * ```
 */
export function defineEntity<const Schema extends EntitySchema, const Name extends string>(
  options: EntityOptions<Schema> & { name: Name },
): EntityDefinition<
  EntityRow<StandardSchemaV1.InferOutput<Schema>>,
  EntityInput<StandardSchemaV1.InferInput<Schema>>,
  Name
> {
  const { name, schema, path = `/api/v1/${name}s`, migrations = {}, verbs } = options
  assertName(name)
  assertPath(path)
  const { described, output, fields } = describe(name, schema)
  const input = inlineRefs(described)
  const unique = toColumns(name, fields, options.unique)
  const indexes = toColumns(name, fields, options.indexes)
  const table = { entity: name, name: `entity_${name}`, fields, unique, indexes }
  const store = createEntityStore(
    table.name,
    fields.map((field) => field.name),
  )
  // Rows and rules are known by their types outside of here, and by their schema inside.
  const rules = (options.rules ?? {}) as unknown as EntityRules<Values>

  const definition: EntityDefinition<Row> = {
    name,
    path,
    migrations: toMigrations(table, migrations),

    on: (tx) => createReads({ name, fields, store }, tx),

    create({ database, idempotency, now, newId, publicUrl }) {
      const entities = createEntities({
        name,
        schema,
        fields,
        rules,
        store,
        database,
        now,
        newId,
      })
      return {
        operations: entities,
        async routes(app) {
          // After the migrations and before the first request: a table that does not fit must not be served.
          await prepareTable(database, table, migrations)
          const plugin = entityRoutes({
            name,
            path,
            entities,
            idempotency,
            publicUrl,
            verbs: { create: true, read: true, update: true, delete: true, ...verbs },
            schemas: { described, input, output },
            examples: await toExamples(options, fields, input),
          })
          plugin(app)
        },
      }
    },
  }
  return definition as never
}

/** Names of permissions that are not an entity's: `config:create` must not mean two things. */
const takenNames = new Set(Object.keys(permissionCatalogue).map((each) => each.split(':', 1)[0]))

function assertName(name: string) {
  if (!/^[a-z][a-z0-9_-]{0,39}$/.test(name)) {
    throw new Error(
      `Expected an entity's name of up to 40 lower-case letters, digits, - and _ that begins with a letter, got "${name}"`,
    )
  }
  // Migrations are kept in `migration_<name>`, and their locks in `migration_<name>_lock`.
  if (takenNames.has(name) || /(^|_)lock$/.test(name))
    throw new Error(`An entity cannot be named "${name}": the service uses that name itself`)
}

function assertPath(path: string) {
  if (/^(\/[\w.-]+)+$/.test(path) && !path.includes('..')) return
  throw new Error(`Expected the path of an entity to be like "/api/v1/users", got "${path}"`)
}

function describe(name: string, schema: EntitySchema) {
  try {
    const described: JsonSchema = toJsonSchema(schema)
    const output = toJsonSchema(schema, 'output')
    const title = described.title ?? name.charAt(0).toUpperCase() + name.slice(1)
    return {
      described: { ...described, title },
      output: inlineRefs({ ...output, title }),
      fields: toFields(output),
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`The schema of the entity "${name}" cannot be used: ${reason}`, { cause })
  }
}

function toColumns(
  entity: string,
  fields: readonly Field[],
  keys: readonly (string | readonly string[])[] = [],
): string[][] {
  return keys.map((key) => {
    const columns = [key].flat()
    const unknown = columns.find((column) => !fields.some(({ name }) => name === column))
    if (columns.length === 0 || unknown !== undefined)
      throw new Error(`The entity "${entity}" has no field "${unknown ?? ''}" to index`)
    return columns
  })
}

/** What the API document shows: an input, and the row that it would make. */
async function toExamples(
  { name, schema, example }: Pick<EntityOptions<EntitySchema>, 'name' | 'schema' | 'example'>,
  fields: readonly Field[],
  input: JsonSchema,
): Promise<{ input: object; row: Row }> {
  const sent = (example ?? exampleFields(input)) as Values
  const at = '2026-01-31T12:30:00.000Z'
  const meta = { id: '01K72P5N5KCRM6MD3BRE4P0778', created_at: at, updated_at: at, tags: ['demo'] }
  try {
    const { values } = await parseInput(schema, fields, sent)
    return { input: { ...sent, tags: ['demo'] }, row: { ...meta, ...values } }
  } catch (cause) {
    if (example !== undefined) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`The example of the entity "${name}" does not fit its schema: ${reason}`, {
        cause,
      })
    }
    // A rule that JSON Schema cannot say: the kinds of the values are still right, and `example` makes it exact.
    return { input: { ...sent, tags: ['demo'] }, row: { ...meta, ...sent } }
  }
}
