import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { findProcesses } from '../../src/script/leftovers.ts'
import {
  type RunningProcess,
  restart,
  startService,
  temporaryFolder,
  until,
} from '../e2e/harness.ts'
import { cases } from '../setup/campaign.ts'
import { seeded } from './random.ts'

/** `CHAPKIT_KILLS` and `CHAPKIT_SEED` make a longer campaign of it, and repeat one. */
const kills = Number(process.env.CHAPKIT_KILLS ?? cases(160))
const seed = Number(process.env.CHAPKIT_SEED ?? 20261124)

test(
  `a service that is killed ${kills} times while scripts run loses no job and leaves no process and no folder`,
  async () => {
    const random = seeded(seed)
    const folder = temporaryFolder()
    const dataDir = temporaryFolder()
    let service = await startService({ dataDir, fixture: 'scripts' })
    const config = await service.config('short', folder)
    const first = await service.train(config)
    await service.reaches(first.json.job_id, 'completed')
    const model: string = first.json.artifact_id
    const acknowledged = new Map<string, string>()
    const allEnd = async () => {
      for (const id of acknowledged.keys()) await service.reaches(id, 'completed', 300_000)
    }

    for (let kill = 0; kill < kills; kill++) {
      const submits = async () => {
        for (let count = 0; count < 3; count++) {
          const answer = await (random.below(3) === 0
            ? service.train(config)
            : service.predict(model))
          // A full queue is an answer, too.
          if (answer.status === 202) acknowledged.set(answer.json.job_id, answer.json.artifact_id)
        }
      }
      await submits().catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, random.below(250)))
      // A slow machine would else give a job up after 20 deaths.
      if (kill % 12 === 11) await allEnd()
      await service.kill()
      const before = runsIn(folder)
      service = await restart(service)
      // What an earlier start left is ended before the first job of this one begins.
      await until('no script of an earlier start runs', () => leftOf(before).length === 0)
    }

    await allEnd()
    expect(acknowledged.size).toBeGreaterThan(kills)
    for (const id of acknowledged.values()) {
      expect((await service.request('GET', `/api/v1/artifacts/${id}/$metadata`)).status).toBe(200)
    }
    await until('only the folders that stand ready are there', () => foldersOf(service) <= 2)
    const runs = runsIn(folder)
    service.signal('SIGTERM')
    await service.exited
    expect(leftOf(runs)).toEqual([])
    expect(readdirSync(dataDir)).not.toContain('chapkit.runs')
  },
  20 * 60_000,
)

const runsIn = (folder: string): string[] =>
  readFileSync(join(folder, 'runs'), 'utf8').trim().split('\n')

const leftOf = (runs: readonly string[]): number[] => {
  const owner = runs[0]?.split('-')[0] ?? 'none'
  const all = findProcesses(`${owner}-`)
  return all.filter((pid) => runs.includes(runOf(pid)))
}

function runOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/environ`, 'latin1')
    return /CHAPKIT_RUN_ID=([\w-]+)/.exec(text)?.[1] ?? ''
  } catch {
    return ''
  }
}

function foldersOf({ options }: RunningProcess): number {
  return readdirSync(join(options.dataDir, 'chapkit.runs')).length
}
