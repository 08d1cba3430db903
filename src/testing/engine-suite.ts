import { expect, test } from 'vitest'
import type { Engine, Ring } from '../engine/engine.ts'
import { pause } from '../kernel/abort.ts'
import type { Clock } from '../kernel/clock.ts'

/** How often a ring is repeated until it is heard: an engine may lose it. */
const againMs = 50
/** Rings in vain before a test gives up. */
const mostTries = 200

const systemClock: Clock = () => Math.floor(performance.timeOrigin + performance.now())

/**
 * What every engine must do. An engine is a doorbell: it may lose a ring or repeat one, so the suite rings until it is heard and
 * never counts. `create` opens an engine; the suite closes it.
 */
export function engineSuite(create: (deps: { now: Clock }) => Engine | Promise<Engine>): void {
  /** An engine with the rings that it has passed on. */
  const behaves = (
    name: string,
    check: (engine: Engine, heard: (Ring & { at: number })[]) => Promise<void>,
  ) =>
    test(name, async () => {
      const engine = await create({ now: systemClock })
      try {
        await check(engine, [])
      } finally {
        await engine.close()
      }
    })

  const listen = (engine: Engine, heard: (Ring & { at: number })[]) =>
    engine.run((ring) => void heard.push({ ...ring, at: systemClock() }))

  async function ringUntilHeard(
    engine: Engine,
    rings: readonly Ring[],
    heard: readonly Ring[],
  ): Promise<void> {
    for (let tries = 0; tries < mostTries; tries++) {
      const missing = rings.filter(({ jobId }) => !heard.some((each) => each.jobId === jobId))
      if (missing.length === 0) return
      for (const ring of missing) engine.notify(ring)
      await pause(againMs)
    }
    throw new Error('Rang in vain: expected the handler to be called for every job')
  }

  behaves('a ring arrives with its job and its type', async (engine, heard) => {
    listen(engine, heard)
    await ringUntilHeard(engine, [{ jobId: 'a', type: 'train' }], heard)
    expect(heard[0]).toMatchObject({ jobId: 'a', type: 'train' })
  })

  behaves('every job of many is rung for in the end', async (engine, heard) => {
    listen(engine, heard)
    const rings = Array.from({ length: 200 }, (_, index) => ({
      jobId: `job-${index}`,
      type: index % 2 ? 'train' : 'predict',
    }))
    await ringUntilHeard(engine, rings, heard)
  })

  behaves('rings that come before there is a handler do no harm', async (engine, heard) => {
    engine.notify({ jobId: 'early', type: 'train' })
    listen(engine, heard)
    await ringUntilHeard(engine, [{ jobId: 'early', type: 'train' }], heard)
  })

  behaves('a ring for later does not come before its time', async (engine, heard) => {
    listen(engine, heard)
    const runAt = systemClock() + 3 * againMs
    await ringUntilHeard(engine, [{ jobId: 'later', type: 'train', runAt }], heard)
    for (const { at } of heard) expect(at).toBeGreaterThanOrEqual(runAt)
  })

  behaves('a ring for a time that has passed comes at once', async (engine, heard) => {
    listen(engine, heard)
    const runAt = systemClock() - 60_000
    await ringUntilHeard(engine, [{ jobId: 'late', type: 'train', runAt }], heard)
  })

  behaves('a ring for the far future keeps nothing else waiting', async (engine, heard) => {
    listen(engine, heard)
    engine.notify({ jobId: 'in a year', type: 'train', runAt: systemClock() + 365 * 86_400_000 })
    await ringUntilHeard(engine, [{ jobId: 'now', type: 'train' }], heard)
    expect(heard.map(({ jobId }) => jobId)).not.toContain('in a year')
  })

  behaves('a closed engine is silent, and may be rung and closed again', async (engine, heard) => {
    listen(engine, heard)
    engine.notify({ jobId: 'later', type: 'train', runAt: systemClock() + againMs })
    await engine.close()
    const before = heard.length
    engine.notify({ jobId: 'after', type: 'train' })
    await engine.close()
    await pause(3 * againMs)
    expect(heard).toHaveLength(before)
  })
}
