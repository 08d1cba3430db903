import { expect, test } from 'vitest'
import { printReport, runCampaign } from './campaign.ts'

test('every door takes a cell as the others do, or all refuse it: 2400 odd ones', async () => {
  const report = await runCampaign({ cells: 2400, seed: 20261129 })
  expect(report.findings, printReport(report)).toEqual([])
  expect(report.cells).toBeGreaterThanOrEqual(2400)
  // Both were met in every column.
  for (const [column, { taken, refused }] of Object.entries(report.outcomes)) {
    expect(taken, column).toBeGreaterThan(50)
    expect(refused, column).toBeGreaterThan(50)
  }
}, 240_000)
