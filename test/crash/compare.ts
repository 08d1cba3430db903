import { copyFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import type { Answer, Send } from './client.ts'
import { bytesOf } from './fixtures/service.ts'
import {
  type Expected,
  type JobItem,
  type Operation,
  perform,
  predicted,
  sha256,
} from './ledger.ts'
import { temporaryFolder } from './process.ts'

export type Fault = 'lost' | 'half' | 'double' | 'stuck' | 'corrupt' | 'left over'

export interface Violation {
  fault: Fault
  what: string
}

/** What is on disk that nothing refers to: the next start has to remove it. */
export interface Litter {
  files: { path: string; inode: number }[]
  rows: string[]
}

/**
 * Looks at the folder of a service that is not running: the database, on a copy so that the scene stays as it was left,
 * and every file beside it.
 */
export function inspect(folder: string): { violations: Violation[]; litter: Litter } {
  const violations: Violation[] = []
  const litter: Litter = { files: [], rows: [] }
  if (!existsSync(join(folder, 'chapkit.db'))) return { violations, litter }
  using copy = temporaryFolder()
  for (const name of ['chapkit.db', 'chapkit.db-wal', 'chapkit.db-journal']) {
    if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(copy.path, name))
  }
  const db = new BetterSqlite(join(copy.path, 'chapkit.db'))
  try {
    const all = <Row>(text: string) => db.prepare(text).all() as Row[]
    const integrity = db.pragma('integrity_check', { simple: true })
    if (integrity !== 'ok') {
      return { violations: [{ fault: 'corrupt', what: `integrity_check: ${integrity}` }], litter }
    }
    if (all(`select 1 from sqlite_master where name = 'blob_ref'`).length === 0)
      return { violations, litter }

    for (const { owner, hash } of all<{ owner: string; hash: string }>(
      `select r.owner, r.hash from blob_ref r left join blob b on b.hash = r.hash where b.hash is null`,
    )) {
      violations.push({ fault: 'half', what: `${owner} refers to ${hash}, which has no row` })
    }
    for (const { id } of all<{ id: string }>(
      `select a.id from artifact a where a.content_hash is not null and not exists
         (select 1 from blob_ref r where r.owner = 'artifact:' || a.id and r.hash = a.content_hash)`,
    )) {
      violations.push({ fault: 'half', what: `artifact ${id} does not keep its content` })
    }
    for (const { owner } of all<{ owner: string }>(
      `select distinct r.owner from blob_ref r where
         (r.owner like 'artifact:%' and not exists (select 1 from artifact a where 'artifact:' || a.id = r.owner)) or
         (r.owner like 'job:%' and not exists
           (select 1 from job j where 'job:' || j.id = r.owner and j.status in ('pending', 'running')))`,
    )) {
      violations.push({
        fault: 'left over',
        what: `references of ${owner}, which does not need them`,
      })
    }

    const stored = new Map<string, { size: number; inline: Buffer | null }>()
    for (const { hash, size, bytes } of all<{ hash: string; size: number; bytes: Buffer | null }>(
      `select hash, size, bytes from blob`,
    )) {
      stored.set(hash, { size, inline: bytes })
      if (bytes && (bytes.length !== size || sha256(bytes) !== hash))
        violations.push({ fault: 'half', what: `row of ${hash} has other bytes` })
    }
    const files = filesOf(folder)
    for (const [hash, { size, inline }] of stored) {
      if (inline) continue
      const path = join(folder, 'chapkit.blobs', hash.slice(0, 2), hash.slice(2))
      const isKept = existsSync(path)
      if (!isKept) {
        // Unreferenced rows go before their files; a referenced one needs its bytes.
        violations.push({ fault: 'lost', what: `bytes of ${hash}` })
      } else {
        const bytes = readFileSync(path)
        if (bytes.length !== size || sha256(bytes) !== hash)
          violations.push({ fault: 'half', what: `file of ${hash}` })
      }
    }
    for (const file of files) {
      const row = file.hash === null ? undefined : stored.get(file.hash)
      if (!row || row.inline) litter.files.push(file)
    }
    litter.rows = all<{ hash: string }>(
      `select hash from blob where hash not in (select hash from blob_ref)`,
    ).map(({ hash }) => hash)
    return { violations, litter }
  } finally {
    db.close()
  }
}

interface BlobFile {
  path: string
  inode: number
  /** Null in `tmp/` and `trash/`. */
  hash: string | null
}

function filesOf(folder: string): BlobFile[] {
  const blobs = join(folder, 'chapkit.blobs')
  if (!existsSync(blobs)) return []
  return readdirSync(blobs, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name)
      const hash = entry.parentPath.slice(blobs.length + 1) + entry.name
      return { path, inode: statSync(path).ino, hash: /^[0-9a-f]{64}$/.test(hash) ? hash : null }
    })
}

/** Whether a start has removed what the one before it left, looked at while it runs. */
export function sweptAll(folder: string, { files, rows }: Litter): Violation[] {
  if (files.length === 0 && rows.length === 0) return []
  const db = new BetterSqlite(join(folder, 'chapkit.db'), { readonly: true })
  try {
    const hasRow = db.prepare('select 1 from blob where hash = ?').pluck()
    const hasReference = db.prepare('select 1 from blob_ref where hash = ?').pluck()
    const isLeft = (hash: string) => hasRow.get(hash) === 1 && hasReference.get(hash) === undefined
    const now = new Map(filesOf(folder).map((file) => [file.inode, file]))
    return [
      ...rows.filter(isLeft).map((hash) => `row of ${hash}`),
      ...files
        .map(({ inode }) => now.get(inode))
        .filter((file) => file && (file.hash === null || hasRow.get(file.hash) === undefined))
        .map((file) => `file ${file?.path}`),
    ].map((what) => ({ fault: 'left over', what }))
  } finally {
    db.close()
  }
}

/**
 * Finds out what became of requests that were never answered, and enters it into the ledger. One with an idempotency key is
 * sent again, as a client would: it must be answered from the first time if, and only if, that had happened.
 */
export async function recover(operations: Operation[], send: Send): Promise<Violation[]> {
  const violations: Violation[] = []
  const before = await idsOf(send)
  for (const operation of operations) {
    const { kind, landed, createdId } = operation
    if (landed) {
      if (await landed(send)) operation.apply()
      continue
    }
    const answer = await perform(withoutWaiting(operation), send)
    const id = createdId?.(answer) ?? ''
    if (before.has(id) !== answer.replayed) {
      violations.push({
        fault: before.has(id) ? 'double' : 'lost',
        what: `${kind} ${id}: there before the request came again: ${before.has(id)}, replayed: ${answer.replayed}`,
      })
    }
  }
  return violations
}

const withoutWaiting = ({ request, ...operation }: Operation): Operation => {
  const { prefer: _, ...headers } = request.headers ?? {}
  return { ...operation, request: { ...request, headers } }
}

async function idsOf(send: Send): Promise<Set<string>> {
  const lists = await Promise.all(['configs', 'artifacts', 'jobs'].map((name) => list(send, name)))
  return new Set(lists.flat().map(({ id }) => id))
}

interface Listed {
  id: string
  [key: string]: unknown
}

async function list(send: Send, name: string): Promise<Listed[]> {
  const { status, json } = await send({ method: 'GET', path: `/api/v1/${name}` })
  if (status !== 200) throw new Error(`GET ${name} answered ${status}`)
  return json
}

/** The world as the service tells it, against the one that its answers have made. `thorough` reads all contents. */
export async function compare(
  expected: Expected,
  send: Send,
  { thorough }: { thorough: boolean },
): Promise<Violation[]> {
  const violations: Violation[] = []
  const report = (fault: Fault, what: string) => void violations.push({ fault, what })

  const configs = new Map((await list(send, 'configs')).map((each) => [each.id, each]))
  for (const [id, { name, seed }] of expected.configs) {
    const actual = configs.get(id)
    if (!actual) report('lost', `config ${id}`)
    else if (
      actual.name !== name ||
      (actual.data as { seed?: unknown }).seed !== seed ||
      String(actual.tags) !== `seed-${seed}`
    ) {
      report('half', `config ${id}: ${JSON.stringify(actual)}, expected seed ${seed}`)
    }
    configs.delete(id)
  }
  for (const id of configs.keys()) report('double', `config ${id}, which nobody made`)

  // Jobs go on meanwhile: what is done in the first look has a result, what is not in the last one has none.
  const early = new Map((await list(send, 'jobs')).map((each) => [each.id, each]))
  const artifacts = new Map((await list(send, 'artifacts')).map((each) => [each.id, each]))
  const late = new Map((await list(send, 'jobs')).map((each) => [each.id, each]))

  for (const [id, item] of expected.uploads) {
    if (!artifacts.delete(id)) report('lost', `upload ${id}`)
    else if (thorough) {
      const { status, bytes } = await send({
        method: 'GET',
        path: `/api/v1/artifacts/${id}/$download`,
      })
      if (status !== 200 || !bytes.equals(bytesOf(item.seed, item.size)))
        report('half', `upload ${id}: ${status}, ${bytes.length} of ${item.size} bytes`)
    }
  }

  for (const [id, job] of expected.jobs) {
    const record = late.get(id)
    const status = record?.status
    if (!record) {
      if (job.hasJob) report('lost', `${job.kind} job ${id}`)
    } else if (!job.hasJob) report('double', `job ${id}, which was deleted`)
    else if (status === 'failed' || status === 'canceled' || (job.isDone && status !== 'completed'))
      report('lost', `${job.kind} job ${id} is ${status}: ${record.error}`)
    if (status === 'completed' && early.get(id)?.status === 'completed') job.isDone = true
    late.delete(id)

    const own = [...artifacts.values()].filter(
      (each) =>
        each.id === job.artifactId ||
        (each.parent_id === job.artifactId && typeOf(each) === 'ml_prediction_workspace'),
    )
    for (const each of own) artifacts.delete(each.id)
    const mustBe = job.isDone && job.hasResult
    const mayBe = mustBe || (job.hasResult && status === 'completed')
    const wanted = job.kind === 'train' ? 1 : 2
    if (mustBe && own.length < wanted) report('lost', `result of ${job.kind} job ${id}`)
    if (own.length > wanted) report('double', `result of ${job.kind} job ${id}`)
    if (own.length > 0 && own.length < wanted) report('half', `result of ${job.kind} job ${id}`)
    if (own.length > 0 && !mayBe && job.hasResult)
      report('half', `result of ${job.kind} job ${id}, which is ${status}`)
    if (own.length > 0 && !job.hasResult)
      report('double', `result of ${job.kind} job ${id}, which was deleted`)
    if (mustBe && own.length === wanted && thorough) await readResult(job, send, report)
  }
  for (const id of late.keys()) report('double', `job ${id}, which nobody submitted`)
  for (const [id, each] of artifacts) {
    report('double', `artifact ${id} (${typeOf(each)}), which nobody made`)
  }
  return violations
}

const typeOf = (artifact: Listed) => (artifact.data as { type?: unknown } | null)?.type

async function readResult(
  { kind, artifactId, mean }: JobItem,
  send: Send,
  report: (fault: Fault, what: string) => void,
): Promise<void> {
  const path = `/api/v1/artifacts/${artifactId}`
  const answer: Answer = await send({ method: 'GET', path })
  if (kind === 'predict') {
    const { columns, data } = answer.json?.data?.content ?? {}
    if (JSON.stringify({ columns, data }) !== JSON.stringify(predicted(mean)))
      report('half', `prediction ${artifactId}: ${JSON.stringify({ columns, data })}`)
  }
  const { status, bytes } = await send({ method: 'GET', path: `${path}/$download` })
  if (status !== 200 || bytes.length === 0)
    report('half', `${kind} result ${artifactId}: ${status}`)
}
