import type { Artifacts } from '../artifact/artifacts.ts'
import type { ArtifactRow } from '../artifact/store.ts'
import { type Clock, toTimestamp } from '../kernel/clock.ts'

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

/** When a run was, and with which config, as the metadata of what it made says it. */
export function runTimes(configId: string, startedAt: number, now: Clock) {
  const endedAt = now()
  return {
    config_id: configId,
    started_at: toTimestamp(startedAt),
    completed_at: toTimestamp(endedAt),
    duration_seconds: Math.round((endedAt - startedAt) / 10) / 100,
  }
}
