import { parquetMetadata, parquetRead } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { parquetWriteBuffer } from 'hyparquet-writer'
import type * as csv from '../../src/data/csv.ts'
import type * as parquet from '../../src/data/parquet.ts'
import type { Cell } from '../../src/data/schema.ts'
import { bigFrame } from '../frames.ts'
import { built } from '../harness.ts'
import { inTurns, type Program, perSecondAsync, type Result, toResult } from '../measure.ts'

export const tables: Program = {
  name: 'tables',
  row: 'CSV and Parquet of 11 571 rows',
  async run({ quick }) {
    const { parseCsv, writeCsv } = await built<typeof csv>('data/csv.js')
    const { frameToParquet, parquetToFrame } = await built<typeof parquet>('data/parquet.js')
    const frame = bigFrame() as { columns: string[]; data: Cell[][] }
    const text = writeCsv(frame)
    const bytes = await frameToParquet(frame)
    const file = bytes.slice().buffer
    const columns = frame.columns.map((name, index) => ({
      name,
      data: frame.data.map((row) => row[index]),
    }))

    // A split is no CSV parser: it is what the language charges for making the cells.
    const steps: { what: string; limitOf: string; ours: () => unknown; limit: () => unknown }[] = [
      {
        what: 'reading CSV with types of whole columns',
        limitOf: 'splitting lines and commas, all text',
        ours: () => parseCsv(text),
        limit: () => text.split('\r\n').map((line) => line.split(',')),
      },
      {
        what: 'writing CSV',
        limitOf: 'JSON.stringify of the frame',
        ours: () => writeCsv(frame),
        limit: () => JSON.stringify(frame),
      },
      {
        what: 'reading Parquet into rows',
        limitOf: 'hyparquet alone, into columns',
        ours: () => parquetToFrame(bytes),
        limit: () =>
          parquetRead({ file, metadata: parquetMetadata(file), compressors, onChunk: () => {} }),
      },
      {
        what: 'writing Parquet from rows',
        limitOf: 'hyparquet-writer alone, from columns',
        ours: () => frameToParquet(frame),
        limit: () => parquetWriteBuffer({ columnData: columns }),
      },
    ]
    const ms = quick ? 300 : 1000
    // All in megabytes of the CSV: one size for one table.
    const megabytes = Buffer.byteLength(text) / 2 ** 20
    const results: Result[] = []
    for (const { what, limitOf, ours, limit } of steps) {
      const figures = await inTurns(
        quick ? 3 : 5,
        async () => (await perSecondAsync(async () => ours(), ms)) * megabytes,
        async () => (await perSecondAsync(async () => limit(), ms)) * megabytes,
      )
      results.push(toResult({ what, unit: 'MB/s of CSV', ...figures, limitOf }))
    }
    return results
  },
}
