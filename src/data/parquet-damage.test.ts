import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { frameToParquet, parquetToFrame } from './parquet.ts'

test('a damaged file is read or refused, and never holds the process', () => {
  // In a process of its own: what goes round for ever could not be stopped here.
  const program = join(import.meta.dirname, 'fixtures', 'damage.ts')
  const seed = String(process.hrtime()[1])
  const { stdout, stderr, signal } = spawnSync(
    process.execPath,
    ['--conditions=chapkit-source', '--max-old-space-size=512', program, seed, '5000'],
    { encoding: 'utf8', timeout: 50_000 },
  )
  expect(signal, `seed ${seed} ran for ever`).toBeNull()
  expect(stderr, `seed ${seed}`).toBe('')
  const { read, refused } = JSON.parse(stdout)
  expect(read + refused).toBe(5000)
  expect(refused).toBeGreaterThan(1000)
})

async function damaged(change: (file: Uint8Array) => void): Promise<Uint8Array> {
  const data = Array.from({ length: 200 }, (_, row) => [row % 3 === 0 ? null : `text ${row % 5}`])
  const file = await frameToParquet({ columns: ['a'], data })
  change(file)
  return file
}

test.each([
  ['a footer of numbers without end', (file: Uint8Array) => file.fill(0xff, 4, file.length - 8)],
  ['no end', (file: Uint8Array) => file.fill(0, file.length - 4)],
  ['no beginning', (file: Uint8Array) => file.fill(0, 0, 4)],
  ['pages of nothing', (file: Uint8Array) => file.fill(0, 4, 60)],
  ['a page without its length', (file: Uint8Array) => file.set([0x15, 0, 0x15, 2, 0], 4)],
])('a file with %s is refused', async (_, change) => {
  await expect(parquetToFrame(await damaged(change))).rejects.toMatchObject({
    code: 'validation-failed',
    message: expect.stringContaining('Expected a Parquet file'),
  })
})
