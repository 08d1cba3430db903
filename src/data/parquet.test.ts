import { expect, onTestFinished, test } from 'vitest'
import { ChapkitError } from '../errors.ts'
import { frameToParquet, parquetToFrame } from './parquet.ts'
import type { Cell } from './schema.ts'

const roundTrip = async (data: Cell[][]) =>
  (await parquetToFrame(await frameToParquet({ columns: data[0]!.map((_, at) => `c${at}`), data })))
    .data

test('every kind of column comes back with its nulls', async () => {
  const data = [
    [1, 1.5, 'a', true, null, 'x'],
    [null, null, null, null, null, 2],
    [0, 1e-9, '', false, null, false],
  ]
  expect(await roundTrip(data)).toEqual(data)
})

test('integers beyond 2^31 come back as numbers', async () => {
  const data = [[2 ** 31], [-(2 ** 40)], [Number.MAX_SAFE_INTEGER]]
  expect(await roundTrip(data)).toEqual(data)
})

test('integers that no number holds make their column text', async () => {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const file = parquetWriteBuffer({
    columnData: [{ name: 'id', data: [1n, null, 2n ** 60n], type: 'INT64' }],
  })
  expect((await parquetToFrame(new Uint8Array(file))).data).toEqual([
    ['1'],
    [null],
    ['1152921504606846976'],
  ])
})

test('dates become days and timestamps ISO 8601', async () => {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const when = new Date('2024-02-29T12:30:00Z')
  const file = parquetWriteBuffer({
    columnData: [
      { name: 'day', data: [when, null] },
      { name: 'time', data: [when, null] },
    ],
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'day', type: 'INT32', converted_type: 'DATE', repetition_type: 'OPTIONAL' },
      {
        name: 'time',
        type: 'INT64',
        converted_type: 'TIMESTAMP_MILLIS',
        repetition_type: 'OPTIONAL',
      },
    ],
  })
  expect((await parquetToFrame(new Uint8Array(file))).data).toEqual([
    ['2024-02-29', '2024-02-29T12:30:00.000Z'],
    [null, null],
  ])
})

test('times before 1970 are cut off towards the past, decimals keep their digits, integers in text columns are text', async () => {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const required = { repetition_type: 'REQUIRED' } as const
  const names = ['time', 'share', 'location'] as const
  const file = parquetWriteBuffer({
    columnData: [
      { name: 'time', data: [-1n, -1001n] },
      { name: 'share', data: [123456789012345678n, -1n] },
      { name: 'location', data: [2n ** 62n, 7n] },
    ],
    schema: [
      { name: 'root', num_children: names.length },
      { name: 'time', type: 'INT64', converted_type: 'TIMESTAMP_MICROS', ...required },
      {
        name: 'share',
        type: 'INT64',
        converted_type: 'DECIMAL',
        scale: 3,
        precision: 18,
        ...required,
      },
      { name: 'location', type: 'INT64', ...required },
    ],
  })
  expect((await parquetToFrame(new Uint8Array(file))).data).toEqual([
    ['1969-12-31T23:59:59.999Z', '123456789012345.678', '4611686018427387904'],
    ['1969-12-31T23:59:59.998Z', '-0.001', '7'],
  ])
})

test('text columns take whole numbers of any type as their digits, and refuse fractions and truth values', async () => {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const read = (type: 'DOUBLE' | 'BOOLEAN', data: (number | boolean | null)[]) =>
    parquetToFrame(
      new Uint8Array(parquetWriteBuffer({ columnData: [{ name: 'location', type, data }] })),
    )
  expect((await read('DOUBLE', [7, null, Number.NaN, -0])).data).toEqual([
    ['7'],
    [null],
    [null],
    ['0'],
  ])
  await expect(read('DOUBLE', [7, 7.5])).rejects.toThrow(
    'Column `location`, row 1, of the Parquet file: expected text or whole numbers, got 7.5',
  )
  await expect(read('BOOLEAN', [true])).rejects.toThrow('got true')
})

test('several row groups come back as one frame', async () => {
  const data = Array.from({ length: 5000 }, (_, row): Cell[] => [row, `r${row % 7}`])
  expect(await roundTrip(data)).toEqual(data)
})

test('a frame without rows keeps its columns', async () => {
  const frame = { columns: ['a', 'b'], data: [] }
  expect(await parquetToFrame(await frameToParquet(frame))).toEqual(frame)
})

test.each([[new Uint8Array()], [new TextEncoder().encode('a,b\n1,2\nand so on, and so on')]])(
  'bytes that are no Parquet are refused',
  async (bytes) => {
    const error = await parquetToFrame(bytes).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ChapkitError)
    expect(error).toMatchObject({
      code: 'validation-failed',
      message: expect.stringContaining('Parquet'),
    })
  },
)

test('nested values are refused by column and row', async () => {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const file = parquetWriteBuffer({
    columnData: [{ name: 'tags', data: [{ a: 1 }], type: 'JSON' }],
  })
  await expect(parquetToFrame(new Uint8Array(file))).rejects.toThrow(
    'Column `tags`, row 0, of the Parquet file: expected plain values, got an object',
  )
})

async function fileOfDates(day: number, time: bigint): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const required = { repetition_type: 'REQUIRED' } as const
  const file = parquetWriteBuffer({
    columnData: [
      { name: 'day', data: [day] },
      { name: 'time', data: [time] },
    ],
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'day', type: 'INT32', converted_type: 'DATE', ...required },
      { name: 'time', type: 'INT64', converted_type: 'TIMESTAMP_MILLIS', ...required },
    ],
  })
  return new Uint8Array(file)
}

test('days before the year 0 and after 9999 are whole', async () => {
  const dayOf = (date: string) => Date.parse(date) / 86_400_000
  for (const date of ['-000001-12-31', '0000-01-01', '9999-12-31', '+010000-01-01']) {
    const { data } = await parquetToFrame(await fileOfDates(dayOf(date), 0n))
    expect(data[0]![0]).toBe(date)
  }
})

test('a time that no date holds is refused by column and row', async () => {
  await expect(parquetToFrame(await fileOfDates(0, 2n ** 62n))).rejects.toMatchObject({
    code: 'validation-failed',
    message: expect.stringContaining('Column `time`, row 0,'),
  })
})

test('two columns of one name are refused', async () => {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const columnData = [
    { name: 'a', data: ['x'] },
    { name: 'a', data: ['y'] },
  ]
  const file = new Uint8Array(parquetWriteBuffer({ columnData }))
  await expect(parquetToFrame(file)).rejects.toThrow(
    'each column once in the Parquet file, got "a"',
  )
})

test('a file whose columns are damaged, one of them in its name too, leaves no failure unheard', async () => {
  const unheard: unknown[] = []
  const hear = (reason: unknown) => void unheard.push(reason)
  process.on('unhandledRejection', hear)
  onTestFinished(() => void process.off('unhandledRejection', hear))
  const bytes = await frameToParquet({ columns: ['first', 'second'], data: [['x', 'y']] })
  const file = Buffer.from(bytes)
  // The last time is in the chunk, the first in the schema.
  file.write('sekond', file.lastIndexOf('second'))
  file.fill(0xff, 4, 60)

  await expect(parquetToFrame(file)).rejects.toMatchObject({ code: 'validation-failed' })
  await new Promise((resolve) => setImmediate(resolve))
  expect(unheard).toEqual([])
})
