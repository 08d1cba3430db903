import { expect } from 'vitest'
import { isCampaign } from '../setup/campaign.ts'
import { testWith } from '../setup/needs.ts'
import { enumerate, type Scenario } from './points.ts'

/** A test of each scenario: a part of the points each time, or all. */
export const testPoints = (scenarios: readonly Scenario[]): void =>
  testWith('strace').each([...scenarios])(
    'killed at any point of: $name, the service has all that it acknowledged, nothing half, nothing twice',
    { timeout: 900_000 },
    async (scenario) => {
      const { points, violations } = await enumerate(scenario, { oneIn: isCampaign ? 1 : 3 })
      expect(violations).toEqual([])
      const total = Object.values(points).reduce((sum, each) => sum + each, 0)
      console.log(`${scenario.name}: ${total} points: ${JSON.stringify(points)}`)
      // A write that was cut nowhere was not looked at.
      expect(points['main pwrite64'] ?? 0).toBeGreaterThan(0)
      expect((points['main fsync'] ?? 0) + (points['main fdatasync'] ?? 0)).toBeGreaterThan(0)
    },
  )
