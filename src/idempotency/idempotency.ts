import { createHash } from 'node:crypto'
import type { Database } from '../db/database.ts'
import { inSteps } from '../db/steps.ts'
import type { Queries } from '../db/tables.ts'
import { ChapkitError } from '../errors.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'
import { type IdempotencyRow, idempotencyStore as store } from './store.ts'

/** How long the answer to a key is kept. */
export const idempotencyMs = 24 * 3600 * 1000

/** What a creating request answers: kept with its key, and sent again as it was. */
export interface Answered {
  status: number
  headers: Record<string, string>
  /** JSON text. */
  body: string
  /** The job that the request submitted, to wait on again. */
  jobId: string | null
}

export interface IdempotentRequest {
  /** Value of the `Idempotency-Key` header. */
  key: string | undefined
  /** Who asks; keys of different callers never meet. */
  principal: string
  method: string
  /** The route, not the URL. */
  route: string
  /** SHA-256 of the body's bytes; asked for only when a key was sent. */
  fingerprint: () => string | Promise<string>
}

export type Remember = (tx: Queries, answered: Answered) => Promise<void>

export interface IdempotencyDeps {
  database: Database
  /** The clock by which keys grow old; nobody sets it. */
  now: Clock
}

export type Idempotency = ReturnType<typeof createIdempotency>

/**
 * Requests that may be sent again: the answer to a key is stored in the transaction of the write itself, so that a client which
 * never saw it gets the same one, and nothing is created twice. Refusals are not kept.
 */
export function createIdempotency({ database, now }: IdempotencyDeps) {
  // Only one process owns a data folder, so what is in flight is known here.
  const inFlight = new Set<string>()

  async function replay(scope: string, fingerprint: string): Promise<Answered | undefined> {
    const row = await store.find(database.read, scope)
    if (!row || row.created_at < toTimestamp(now() - idempotencyMs)) return undefined
    if (row.fingerprint !== fingerprint) {
      throw new ChapkitError(
        'idempotency-mismatch',
        'This Idempotency-Key was used with another body; use a new key for a new request',
      )
    }
    return toAnswered(row)
  }

  return {
    /**
     * Runs `create` once for a key. It must call `remember` inside its write. Without a key it simply runs.
     * Throws 409 while the first request is still running and 422 when the key came with another body.
     */
    async run(
      request: IdempotentRequest,
      create: (remember: Remember) => Promise<Answered>,
    ): Promise<{ answered: Answered; replayed: boolean }> {
      if (request.key === undefined)
        return { answered: await create(async () => {}), replayed: false }
      const scope = scopeOf(request, parseKey(request.key))
      if (inFlight.has(scope)) {
        throw new ChapkitError('conflict', 'A request with this Idempotency-Key is still running', {
          headers: { 'retry-after': '1' },
        })
      }
      inFlight.add(scope)
      try {
        const fingerprint = await request.fingerprint()
        const answered = await replay(scope, fingerprint)
        if (answered) return { answered, replayed: true }
        const fresh = await create(async (tx, { status, headers, body, jobId }) => {
          await store.remove(tx, scope)
          await store.insert(tx, {
            scope,
            fingerprint,
            status,
            headers: JSON.stringify(headers),
            body,
            job_id: jobId,
            created_at: toTimestamp(now()),
          })
        })
        return { answered: fresh, replayed: false }
      } finally {
        inFlight.delete(scope)
      }
    },

    /** Forgets keys that are older than a day. */
    async sweep(): Promise<void> {
      const before = toTimestamp(now() - idempotencyMs)
      await inSteps(database, (tx, limit) => store.removeBefore(tx, before, limit))
    },
  }
}

/** The key as a structured-field string (`"abc"`) or bare: 1 to 255 printable characters. */
function parseKey(raw: string): string {
  const key = /^"(.*)"$/.exec(raw.trim())?.[1] ?? raw.trim()
  if (/^[\x20-\x7e]{1,255}$/.test(key)) return key
  throw new ChapkitError(
    'bad-request',
    `Expected an Idempotency-Key of 1 to 255 printable ASCII characters, got ${key.length}`,
  )
}

function scopeOf({ principal, method, route }: IdempotentRequest, key: string): string {
  return createHash('sha256')
    .update(JSON.stringify(['', principal, method, route, key]))
    .digest('hex')
}

function toAnswered({ status, headers, body, job_id }: IdempotencyRow): Answered {
  return { status, headers: JSON.parse(headers), body, jobId: job_id }
}
