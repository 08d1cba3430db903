/** What districts report each month: an entity of the service's own, and the table that is made of it. */

import { DataFrame, defineEntity } from 'chapkit'
import { z } from 'zod'

export const reports = defineEntity({
  name: 'report',
  schema: z.object({
    district: z.string().trim().min(1).max(100),
    month: z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'Expected a month such as 2024-01'),
    cases: z.int().min(0).max(10_000_000),
  }),
  unique: [['district', 'month']],
  indexes: ['month'],
})

interface Report {
  district: string
  month: string
  cases: number
}

/** Tag of the tables that the service has made of its reports. */
export const snapshotTag = 'snapshot'

/** The reports as a model reads them. */
export function toFrame(all: readonly Report[]): DataFrame {
  const inOrder = all.toSorted((a, b) =>
    a.month === b.month ? (a.district < b.district ? -1 : 1) : a.month < b.month ? -1 : 1,
  )
  return DataFrame.fromRecords(
    inOrder.map(({ district, month, cases }) => ({
      time_period: month,
      location: district,
      disease_cases: cases,
    })),
  )
}
