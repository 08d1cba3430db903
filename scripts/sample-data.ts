// Writes docs/sample-data/*.json, the bodies that the pages of docs/workflows send: `node scripts/sample-data.ts`.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateSample } from '../src/data/sample.ts'
import type { FrameJson } from '../src/data/schema.ts'

const folder = join(import.meta.dirname, '../docs/sample-data')

/** Those of the examples in the API document. */
const configId = '01K72P5N5KCRM6MD3BRE4P0778'
const artifactId = '01M82EBCXSKZTTGQH3QVBRBH9G'
const periods = 6

const options = {
  numLocations: 3,
  numPeriods: 36,
  numFeatures: 0,
  periodType: 'monthly',
  geoType: 'polygon',
  includeGeo: true,
  requiredCovariates: [],
  seed: 1,
} as const
const { data, geo } = generateSample({ ...options, kind: 'train' })
const { historic, future } = generateSample({ ...options, kind: 'predict' })
const train = { config_id: configId, data: plain(data) }
const predict = {
  artifact_id: artifactId,
  historic: plain(historic),
  future: withoutCases(plain(future), periods * options.numLocations),
}

mkdirSync(folder, { recursive: true })
write('config', { id: configId, name: 'sample', data: { prediction_periods: periods } })
write('train', train)
write('train-with-map', { ...train, geo })
write('predict', predict)
write('predict-with-map', { ...predict, geo })

/** What a client would send: the types of the columns are found in the rows. */
function plain({ columns, data }: FrameJson): FrameJson {
  return { columns, data }
}

function withoutCases({ columns, data }: FrameJson, rows: number): FrameJson {
  const at = columns.indexOf('disease_cases')
  const others = <Cell>(cells: readonly Cell[]) => cells.filter((_, index) => index !== at)
  return { columns: others(columns), data: data.slice(0, rows).map(others) }
}

/** A row of a table is a line: so people can read it, and see what changed. */
function write(name: string, value: object): void {
  const text = JSON.stringify(value, null, 2)
    // Arrays of numbers and texts on one line.
    .replace(
      /\[\s+([^[\]{}]*?)\s+\]/g,
      (_, cells: string) => `[${cells.replace(/\s*\n\s*/g, ' ')}]`,
    )
  writeFileSync(join(folder, `${name}.json`), `${text}\n`)
}
