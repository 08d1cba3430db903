import type * as frame from '../../src/data/frame.ts'
import type * as frames from '../../src/data/frame-json.ts'
import type * as json from '../../src/kernel/json.ts'
import type * as intakes from '../../src/ml/intake.ts'
import { bigFrame, smallFrame } from '../frames.ts'
import { built } from '../harness.ts'
import { inTurns, type Program, perSecond, type Result, toResult } from '../measure.ts'

const id = '01K72P5N5KCRM6MD3BRE4P0778'

export const ingestion: Program = {
  name: 'ingestion',
  row: 'taking frames in, against JSON.parse of the same bytes',
  async run({ quick }) {
    const { checkFrame } = await built<typeof frames>('data/frame-json.js')
    const { DataFrame } = await built<typeof frame>('data/frame.js')
    const { parseJson } = await built<typeof json>('kernel/json.js')
    const { takeIn } = await built<typeof intakes>('ml/intake.js')
    const ms = quick ? 200 : 1000
    const results: Result[] = []
    for (const [size, data] of [
      ['11 571 rows', bigFrame()],
      ['84 rows', smallFrame()],
    ] as const) {
      const body = Buffer.from(JSON.stringify({ config_id: id, data }))
      const megabytes = body.byteLength / 2 ** 20
      const parse = () => JSON.parse(body.toString()) as unknown
      const steps: [string, () => unknown][] = [
        ['check of a parsed frame', () => checkFrame(data, ['body', 'data'])],
        ['strict parsing', () => parseJson(body)],
        [
          'whole intake: parse, check, canonical text, hash',
          () => takeIn({ form: 'json', type: 'train', numeric: [], body }),
        ],
        ['DataFrame from rows', () => DataFrame.fromJson(data)],
      ]
      for (const [step, work] of steps) {
        const figures = await inTurns(
          quick ? 3 : 5,
          async () => perSecond(work, ms) * megabytes,
          async () => perSecond(parse, ms) * megabytes,
        )
        const what = `${step}, ${size}`
        results.push(toResult({ what, unit: 'MB/s', ...figures, limitOf: 'JSON.parse' }))
      }
    }
    return results
  },
}
