import { expect, test } from 'vitest'
import { printReport, runCampaign } from './campaign.ts'

test('5000 requests drawn from the document, right and wrong, are answered as it says', async () => {
  const report = await runCampaign({ cases: 5000, seed: 20261122 })
  expect(report.violations, printReport(report)).toEqual([])
  expect(report.cases).toBe(5000)
  for (const [name, counts] of report.table) expect(counts.size, name).toBeGreaterThan(0)
}, 240_000)
