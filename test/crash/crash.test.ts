import { expect, test } from 'vitest'
import { cases } from '../setup/campaign.ts'
import type { Kind } from './ledger.ts'
import { runCrashes, summary } from './program.ts'

// Two services side by side: most of the time is spent on starts.
const kills = cases(100)

test(`${2 * kills} kills at random moments lose nothing that was acknowledged, and leave nothing half, twice or stuck`, {
  timeout: 1_200_000,
}, async () => {
  const seed = Number(process.env.CHAPKIT_CRASH_SEED ?? Date.now() % 1e6)
  const reports = await Promise.all(
    [seed, seed + 1].map((each) => runCrashes({ kills, seed: each })),
  )
  for (const report of reports) {
    console.log(summary(report))
    const repeat = `npm run crash -- --kills ${kills} --seed ${report.seed}`
    expect(report.violations, `to repeat: ${repeat}`).toEqual([])
    expect(report.kills).toBe(kills)
    // A run in which nothing was under way when the service died has shown nothing.
    expect(report.unanswered).toBeGreaterThan(kills / 2)
  }
  for (const kind of Object.keys(reports[0]!.acknowledged) as Kind[])
    expect(
      reports.reduce((sum, { acknowledged }) => sum + acknowledged[kind], 0),
      kind,
    ).toBeGreaterThan(0)
})
