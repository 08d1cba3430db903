import { expect } from 'vitest'
import { testWith } from '../setup/needs.ts'
import { enumerate, type Scenario } from './points.ts'

/** A test of each scenario. */
export const testPoints = (scenarios: readonly Scenario[]): void =>
  testWith('strace').each([...scenarios])(
    'killed at every point of: $name, the service has all that it acknowledged, nothing half, nothing twice',
    { timeout: 900_000 },
    async (scenario) => {
      const { points, violations } = await enumerate(scenario)
      expect(violations).toEqual([])
      const total = Object.values(points).reduce((sum, each) => sum + each, 0)
      console.log(`${scenario.name}: ${total} points: ${JSON.stringify(points)}`)
      // A write that was cut nowhere was not looked at.
      expect(points['main pwrite64'] ?? 0).toBeGreaterThan(0)
      expect((points['main fsync'] ?? 0) + (points['main fdatasync'] ?? 0)).toBeGreaterThan(0)
    },
  )
