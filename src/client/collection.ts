import type { Page } from '../kernel/page.ts'
import { ChapkitClientError } from './errors.ts'
import type { Call, CallOptions, CreateOptions, Query, Transport } from './transport.ts'

/** Reading entities of one kind. */
export interface Reads<Out> {
  /** All of them, in order of creation. For many, `iterate` asks for a page at a time. */
  list(options?: CallOptions): Promise<Out[]>
  /** A page by number, from 1, with totals. */
  page(page: number, size: number, options?: CallOptions): Promise<Page<Out>>
  /** All of them, `size` (100 by default) at a time; what is created meanwhile comes too. */
  iterate(options?: CallOptions & { size?: number }): AsyncGenerator<Out, void>
  get(id: string, options?: CallOptions): Promise<Out>
  /** JSON Schema of what is created. */
  schema(options?: CallOptions): Promise<Record<string, unknown>>
  count(options?: CallOptions): Promise<number>
}

/** Reading and writing entities of one kind. */
export interface Collection<Out, In> extends Reads<Out> {
  create(input: In, options?: CreateOptions): Promise<Out>
  /** Replaces it; what is left out gets its default. */
  replace(id: string, input: In, options?: CallOptions): Promise<Out>
  remove(id: string, options?: CallOptions): Promise<void>
}

export const segment = (id: string): string => encodeURIComponent(id)

/** Comes before every id, and so before all entities in order of creation. */
const firstId = '0'.repeat(26)

export function createCollection<Out extends { id: string }, In>(
  transport: Transport,
  prefix: string,
): Collection<Out, In> {
  return {
    list: (options) => readList<Out>(transport, { ...options, path: prefix }),
    page: (page, size, options) => readPage<Out>(transport, prefix, { page, size }, options),
    iterate: (options) => iterateByKey<Out>(transport, prefix, firstId, options),
    get: (id, options) => transport.json<Out>({ ...options, path: `${prefix}/${segment(id)}` }),
    schema: (options) => transport.json({ ...options, path: `${prefix}/$schema` }),
    count: async (options) =>
      (await transport.json<{ total: number }>({ ...options, path: `${prefix}/$stats` })).total,

    create: (input, options) =>
      transport.json<Out>({ ...options, method: 'POST', path: prefix, json: input, creates: true }),
    replace: (id, input, options) =>
      transport.json<Out>({
        ...options,
        method: 'PUT',
        path: `${prefix}/${segment(id)}`,
        json: input,
      }),
    remove: (id, options) => removeOne(transport, `${prefix}/${segment(id)}`, options),
  }
}

export async function readList<Out>(transport: Transport, call: Call): Promise<Out[]> {
  const answered = await transport.json<unknown>(call)
  if (Array.isArray(answered)) return answered
  throw noList(transport, call)
}

const noList = (transport: Transport, { path }: Call) =>
  new ChapkitClientError(
    'unexpected-answer',
    `Expected a list from ${transport.base}${path}, got something else; is this the URL of a chapkit service?`,
  )

export async function readPage<Out>(
  transport: Transport,
  path: string,
  query: Query & { page: number; size: number },
  options: CallOptions = {},
): Promise<Page<Out>> {
  const call = { ...options, path, query }
  const answered = await transport.json<Page<Out> | Out[] | null>(call)
  if (!Array.isArray(answered)) {
    if (Array.isArray(answered?.items)) return answered
    throw noList(transport, call)
  }
  // Some lists of the Python chapkit come whole, whatever is asked for.
  const { page, size } = query
  return {
    items: answered.slice((page - 1) * size, page * size),
    ...{ total: answered.length, page, size, pages: Math.ceil(answered.length / size) },
  }
}

/** Page by page, each behind the last entity of the one before. */
export async function* iterateByKey<Out extends { id: string }>(
  transport: Transport,
  path: string,
  start: string,
  { size = 100, ...options }: CallOptions & { size?: number; query?: Query } = {},
): AsyncGenerator<Out, void> {
  let after: string | undefined = start
  let first: string | undefined
  while (after !== undefined) {
    const query = { ...options.query, after, size }
    const items: Out[] = await readList(transport, { ...options, path, query })
    // The Python chapkit knows no keys: its first answer is the whole list, as is every other.
    if (first !== undefined && items[0]?.id === first) return
    first ??= items[0]?.id
    yield* items
    after = items.length === size ? items.at(-1)?.id : undefined
  }
}

/** Deletes. Gone already is as good where a try before may have done it. */
export function removeOne(
  transport: Transport,
  path: string,
  options: CallOptions = {},
): Promise<void> {
  return transport.done({ ...options, method: 'DELETE', path, doneIfGone: true })
}
