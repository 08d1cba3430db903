import type { Artifacts } from '../artifact/artifacts.ts'
import type { ArtifactRow } from '../artifact/store.ts'
import { type Clocks, toTimestamp } from '../kernel/clock.ts'

/**
 * The trainings that predictions are made with: final, and not to be deleted while a job is active. Those used last are
 * remembered, `kept` of them; that a model is still there, every submit asks.
 */
export function createTrainings<Training>(
  artifacts: Artifacts,
  read: (row: ArtifactRow) => Promise<Training>,
  kept: number,
): (id: string) => Promise<Training> {
  const trainings = new Map<string, Promise<Training>>()

  return (id) => {
    const known = trainings.get(id)
    const found = known ?? artifacts.getRow(id).then(read)
    trainings.delete(id)
    trainings.set(id, found)
    if (known) return known
    found.catch(() => trainings.delete(id))
    const [oldest] = trainings.keys()
    if (trainings.size > kept && oldest !== undefined) trainings.delete(oldest)
    return found
  }
}

/**
 * When a run was that began at `since` in service time, and with which config, as the metadata of what it made says it. By the
 * clock as it is at the end: one that was set meanwhile was wrong at the beginning.
 */
export function runTimes(configId: string, since: number, { now, serviceTime }: Clocks) {
  const endedAt = now()
  const ranMs = serviceTime() - since
  return {
    config_id: configId,
    started_at: toTimestamp(endedAt - ranMs),
    completed_at: toTimestamp(endedAt),
    duration_seconds: Math.round(ranMs / 10) / 100,
  }
}
