import { expect, test } from 'vitest'
import { printReport, runCampaign } from './campaign.ts'

test('whatever comes from a model host fails at most its own run: 5000 messages, right and wrong', async () => {
  const report = await runCampaign({ messages: 5000, seed: 20261129 })
  expect(report.violations, printReport(report)).toEqual([])
  expect(report.messages).toBeGreaterThanOrEqual(5000)
  // All ways to end were met, the good one too.
  for (const name of ['done', 'refused', 'failed', 'host-died'])
    expect(report.outcomes[name], name).toBeGreaterThan(5)
}, 240_000)
