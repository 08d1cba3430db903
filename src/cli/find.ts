import type { ArtifactRecord, Client } from '../client/index.ts'
import type { ConfigOut } from '../config/schema.ts'
import type { JobRecord } from '../job/schema.ts'
import { isUlid } from '../kernel/id.ts'
import { CommandError, exit } from './exit.ts'
import type { Remote } from './remote.ts'

/** A config by its id or its name. Throws when there is none, or when several have the name. */
export async function findConfig({ client, command }: Remote, wanted: string): Promise<ConfigOut> {
  if (isUlid(wanted)) return client.configs.get(wanted) as Promise<ConfigOut>
  const all = (await client.configs.list()) as ConfigOut[]
  const found = all.filter(({ name }) => name === wanted)
  if (found.length > 1) {
    const ids = found.map(({ id }) => id).join(', ')
    throw new CommandError(
      `${found.length} configs are named '${wanted}': name one by its id: ${ids}`,
    )
  }
  if (found[0]) return found[0]
  throw new CommandError(
    `The service has no config '${wanted}'; see ${command('config list')}, or make it: ${command(`config create ${wanted}`)}`,
    exit.missing,
  )
}

/** A model by its id, or the newest that was trained well. */
export async function findModel({ client, command }: Remote, wanted: string): Promise<string> {
  if (wanted !== 'latest') return parseId(wanted, 'the id of a model, or latest')
  for await (const job of client.jobs.iterate({ type: 'train', status: 'completed' }))
    if (job.artifact_id !== null && (await isThere(client, job.artifact_id))) return job.artifact_id
  // Jobs are kept for some time only, models for ever.
  let newest: string | undefined
  for await (const artifact of client.artifacts.iterate())
    if (isModel(artifact)) newest = artifact.id
  if (newest !== undefined) return newest
  throw new CommandError(
    `The service has no trained model yet: train one with ${command('train DATA.csv')}`,
    exit.missing,
  )
}

const isThere = (client: Client, id: string): Promise<boolean> =>
  client.artifacts.expand(id).then(
    () => true,
    (error: { code?: string }) => {
      if (error.code === 'not-found') return false
      throw error
    },
  )

function isModel({ data }: ArtifactRecord): boolean {
  return data?.type === 'ml_training_workspace' && data.metadata?.status !== 'failed'
}

/** A job by its id, or the newest. */
export async function findJob({ client, command }: Remote, wanted: string): Promise<string> {
  if (wanted !== 'latest') return parseId(wanted, 'the id of a job, or latest')
  const { items } = await client.jobs.page(1, 1)
  if (items[0]) return items[0].id
  throw new CommandError(
    `The service has no jobs yet: ${command('train DATA.csv')} makes one`,
    exit.missing,
  )
}

/** What people want to know of a job first. */
export function describeJob({ status, progress }: JobRecord): string {
  if (status !== 'running' || progress === null) return status
  const percent = progress.fraction === null ? '' : ` ${Math.floor(progress.fraction * 100)} %`
  return `${status}${percent}${progress.message ? `, ${progress.message}` : ''}`
}

/** An id as the service gives them. */
export function parseId(text: string, what: string): string {
  if (isUlid(text)) return text
  throw new CommandError(
    `Expected ${what}, got '${text}'; an id has 26 capitals and digits`,
    exit.usage,
  )
}
