import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { BaseConfig } from '../config/schema.ts'
import { checkBounds, clampHorizon, countPeriods, defaultOutOfBounds } from './horizon.ts'

const bounds = (least: number, most: number) => ({
  min_prediction_periods: least,
  max_prediction_periods: most,
})

test('the periods of a frame are as many as one location has, each counted once', () => {
  const location = fc.constantFrom('a', 'b', 'c', null)
  const period = fc.constantFrom('2020-01', '2020-02', '2020-03', '2020-04', null)
  fc.assert(
    fc.property(fc.array(fc.tuple(location, period)), (data) => {
      const counts = ['a', 'b', 'c', null].map(
        (place) =>
          new Set(
            data.filter(([at, when]) => at === place && when !== null).map(([, when]) => when),
          ).size,
      )
      const wanted = Math.max(...counts)
      const found = countPeriods({ columns: ['location', 'time_period'], data })
      expect(found).toBe(wanted === 0 ? null : wanted)
    }),
    { numRuns: 2000 },
  )
})

test('a period counts once, however it is written', () => {
  const data = [['2020-01'], ['202001'], ['2020-01-01/2020-01-31'], ['2020-02'], ['next'], ['next']]
  expect(countPeriods({ columns: ['time_period'], data })).toBe(3)
})

test('a frame without locations has the periods that it names, and one without periods says nothing', () => {
  const data = [['2020-01'], ['2020-02'], ['2020-01']]
  expect(countPeriods({ columns: ['time_period'], data })).toBe(2)
  expect(countPeriods({ columns: ['month'], data })).toBeNull()
  expect(countPeriods({ columns: ['time_period'], data: [] })).toBeNull()
})

test('a horizon that was clamped lies within the bounds, and stays what it was where it did', () => {
  const any = fc.integer({ min: 0, max: 60 })
  fc.assert(
    fc.property(fc.integer(), any, any, (asked, least, more) => {
      const clamped = clampHorizon(asked, bounds(least, least + more))
      expect(clamped).toBeGreaterThanOrEqual(1)
      const isWithin = (periods: number) =>
        checkBounds({ periods, source: 'future' }, bounds(least, least + more)).length === 0
      if (least + more > 0) expect(isWithin(clamped)).toBe(true)
      if (asked >= 1 && isWithin(asked)) expect(clamped).toBe(asked)
    }),
    { numRuns: 2000 },
  )
})

test('a default that no request could be taken with is found, also behind required options', async () => {
  const needy = BaseConfig.extend({ rate: z.number() })
  const other = BaseConfig.extend({ prediction_periods: z.int().default(6) })
  const free = z.looseObject({})
  expect(await defaultOutOfBounds(BaseConfig, bounds(0, 100))).toBeNull()
  expect(await defaultOutOfBounds(BaseConfig, bounds(6, 12))).toBe(3)
  expect(await defaultOutOfBounds(BaseConfig, bounds(0, 2))).toBe(3)
  expect(await defaultOutOfBounds(needy, bounds(6, 12))).toBe(3)
  expect(await defaultOutOfBounds(other, bounds(6, 12))).toBeNull()
  expect(await defaultOutOfBounds(free, bounds(6, 12))).toBeNull()
})
