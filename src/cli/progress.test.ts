import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { createProgress, toBar } from './progress.ts'
import { toTable, toText, widthOf } from './table.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 40 })

test('a bar is never wider than the terminal', () => {
  fc.assert(
    fc.property(
      ...([text, fc.option(fc.double({ noNaN: true })), text] as const),
      ...([fc.nat({ max: 1e8 }), fc.integer({ min: 20, max: 200 })] as const),
      (title, done, said, elapsedMs, columns) => {
        const line = toBar(toText(title), { done, text: said }, { elapsedMs, columns })
        expect(widthOf(line)).toBeLessThan(columns)
      },
    ),
    { numRuns: 10_000 },
  )
})

test('no text of others reaches the terminal with what controls it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (said) => {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: it is about them
      expect(toText(`\u001b[2J${said}\u009b`)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
    }),
    { numRuns: 10_000 },
  )
})

test('the columns of a table stand below each other, whatever is in them', () => {
  const table = toTable(
    [{ title: 'name' }, { title: 'n', align: 'right' }],
    [
      ['ກົມຄວບຄຸມ', 1],
      ['河内', 20],
      ['a\nb', 300],
    ],
  ).split('\n')
  expect(new Set(table.map(widthOf)).size).toBe(1)
  expect(table[3]).toBe(`a b${' '.repeat(widthOf(table[3]!) - 6)}300`)
})

test.each([
  ['', { FORCE_COLOR: '1' }, true],
  [', but not where NO_COLOR is set', { NO_COLOR: '1' }, false],
])('a bar on a terminal is coloured%s', (_, variables, isColoured) => {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...rest } = process.env
  const program = `
    import { createProgress } from ${JSON.stringify(join(import.meta.dirname, 'progress.ts'))}
    import { screen } from ${JSON.stringify(join(import.meta.dirname, 'print.ts'))}
    const terminal = { isTTY: true, write: screen.write, colour: screen.colour }
    createProgress('training', terminal, () => 0).end()
  `
  const args = ['--conditions=chapkit-source', '--input-type=module', '-e', program]
  const { stderr } = spawnSync(process.execPath, args, { env: { ...rest, ...variables } })
  expect(String(stderr)).toContain('░')
  expect(String(stderr).includes('\u001b[36m')).toBe(isColoured)
})

test('without a terminal it says the newest now and then, and nothing of what is over soon', () => {
  vi.useFakeTimers()
  let now = 0
  const said: string[] = []
  const go = (ms: number) => {
    now += ms
    vi.advanceTimersByTime(ms)
  }
  try {
    const screen = { write: (line: string) => said.push(line) }
    const quick = createProgress('quick', screen, () => now)
    quick.update({ done: 0.5 })
    quick.end()
    go(10_000)
    expect(said).toEqual([])

    const progress = createProgress('training', screen, () => now)
    for (let step = 0; step < 120; step++) {
      progress.update({ done: step / 120, text: `step ${step}` })
      go(100)
    }
    expect(said).toEqual([
      'chapkit: training: 7 %: step 9\n',
      'chapkit: training: 49 %: step 59\n',
      'chapkit: training: 90 %: step 109\n',
    ])
    progress.end()
  } finally {
    vi.useRealTimers()
  }
})
