import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished } from 'vitest'
import { pythonOf, testWith } from '../../test/setup/needs.ts'
import { DataFrame } from './frame.ts'
import { readParquet } from './parquet.ts'
import type { Cell, CellColumns } from './schema.ts'

const test = testWith('pyarrow')

function workFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pyarrow-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

function pyarrow(what: 'write' | 'read', folder: string): string {
  const program = join(import.meta.dirname, 'fixtures', 'arrow_files.py')
  const { status, stdout, stderr } = spawnSync(pythonOf('pyarrow'), [program, what, folder], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    env: { ...process.env, PYTHONUTF8: '1' },
  })
  expect(status, stderr).toBe(0)
  return stdout
}

test('each type, packing and encoding that pyarrow writes is read as pyarrow reads it, or refused with its column', async () => {
  const folder = workFolder()
  pyarrow('write', folder)
  const names = readdirSync(folder).filter((name) => name.endsWith('.parquet'))
  expect(names.length).toBeGreaterThan(45)
  for (const name of names) {
    const expected = JSON.parse(
      readFileSync(join(folder, name.replace('.parquet', '.json')), 'utf8'),
    ) as CellColumns | { refused: string }
    const reading = readParquet(readFileSync(join(folder, name)))
    if ('refused' in expected) {
      await expect(reading, name).rejects.toMatchObject({
        code: 'validation-failed',
        message: expect.stringContaining(`olumn \`${expected.refused}\``),
      })
      continue
    }
    const { columns, cells } = await reading
    expect(columns, name).toEqual(expected.columns)
    // -0 is 0 in JSON.
    for (const [at, column] of columns.entries())
      expect(cells[at]!.map(positiveZero), `${name}: ${column}`).toEqual(
        expected.cells[at]!.map(positiveZero),
      )
  }
})

const positiveZero = (cell: Cell): Cell => (cell === 0 ? 0 : cell)

// NUL is refused: no program that reads files could be given it.
const text = fc.string({ unit: 'binary' }).filter((each) => !each.includes('\0'))
const cellsOfOneKind: fc.Arbitrary<fc.Arbitrary<Cell>> = fc.constantFrom<fc.Arbitrary<Cell>>(
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  text,
  fc.oneof(text, fc.integer(), fc.boolean()),
  fc.constant(null),
)
const frame = fc
  .tuple(fc.uniqueArray(text, { maxLength: 5 }), fc.nat(40))
  .chain(([names, length]) =>
    fc.tuple(
      ...names.map((name) =>
        cellsOfOneKind
          .chain((cell) =>
            fc.array(fc.option(cell, { freq: 5 }), { minLength: length, maxLength: length }),
          )
          .map((cells) => [name, cells] as const),
      ),
    ),
  )
  .map((columns) => Object.fromEntries(columns))

test('pyarrow reads the Parquet of a frame as the frame was', async () => {
  const folder = workFolder()
  const frames = fc
    .sample(frame, 300)
    .map((columns) => DataFrame.fromColumns(columns))
    .concat(bigFrame())
  for (const [at, each] of frames.entries())
    writeFileSync(join(folder, String(at).padStart(4, '0')), await each.toParquet())
  const read = Object.values(JSON.parse(pyarrow('read', folder))) as (CellColumns & {
    types: string[]
  })[]
  expect(read).toHaveLength(frames.length)
  for (const [at, { columns, cells, types }] of read.entries()) {
    const made = frames[at]!
    expect(columns).toEqual(made.columns)
    for (const [index, name] of columns.entries()) {
      const column = made.column(name)
      const isMixed = column.type === 'any' && !column.values.every((cell) => cell === null)
      const want = made
        .toRecords()
        .map((row) => (isMixed && row[name] !== null ? JSON.stringify(row[name]) : row[name]!))
      expect(cells[index]!.map(positiveZero)).toEqual(want.map(positiveZero))
      const type = { integer: 'int64', number: 'double', boolean: 'bool', string: 'string' }
      if (column.type !== 'any') expect(types[index]).toBe(type[column.type])
    }
  }
})

/** More rows than a row group and a page have. */
function bigFrame(): DataFrame {
  const rows = Array.from({ length: 200_000 }, (_, row) => row)
  return DataFrame.fromColumns({
    location: rows.map((row) => `place ${row % 977}`),
    row: rows,
    half: rows.map((row) => (row % 5 === 0 ? null : row / 2)),
    odd: rows.map((row) => row % 2 === 1),
  })
}
