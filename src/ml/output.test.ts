import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLineSplitter, lastStates } from './output.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

function collect() {
  const lines: string[] = []
  const splitter = createLineSplitter((line) => lines.push(line))
  return { lines, write: (text: string) => splitter.write(Buffer.from(text)), splitter }
}

test('lines are the same however they come, with LF or CR LF', () => {
  const line = fc.string({ unit: 'grapheme-ascii' }).filter((text) => !/[\r\n]/.test(text))
  const ends = fc.constantFrom('\n', '\r\n')
  fc.assert(
    fc.property(fc.array(fc.tuple(line, ends)), fc.array(fc.nat({ max: 9 })), (wanted, cuts) => {
      const { lines, write, splitter } = collect()
      let rest = wanted.map(([text, end]) => text + end).join('')
      for (const cut of cuts) {
        write(rest.slice(0, cut))
        rest = rest.slice(cut)
      }
      write(rest)
      splitter.flush()
      // A line in two pieces loses blanks at its end where its CR came alone.
      expect(lines.map((text) => text.trimEnd())).toEqual(wanted.map(([text]) => text.trimEnd()))
    }),
  )
})

test.each([
  ['in front of it', (step: number) => `\r${step} %`],
  ['behind it', (step: number) => `${step} %\r`],
  ['with what clears the line', (step: number) => `\u001b[2K\r\u001b[1m${step} %\u001b[0m   `],
])('the newest state of a bar with its carriage return %s is told while it is drawn', (_, draw) => {
  const { lines, write, splitter } = collect()
  for (let step = 0; step < 5; step++) {
    write(draw(step))
    vi.advanceTimersByTime(1000)
    expect(lines.at(-1)).toBe(`${step} %`)
  }
  write('\rdone')
  splitter.flush()
  expect(lines).toEqual(['0 %', '1 %', '2 %', '3 %', '4 %', 'done'])
})

test('a bar that is drawn a thousand times a second, for a day, makes fewer than 2000 lines', () => {
  const { lines, write, splitter } = collect()
  const day = 86_400
  for (let second = 0; second < day; second += 10) {
    // In one chunk or in many: only how much time has passed counts.
    write(`\rstep ${second}\rstep ${second}.5\rstep ${second}.9`)
    vi.advanceTimersByTime(10_000)
  }
  write('\r100 %\n')
  splitter.flush()
  expect(lines.length).toBeLessThan(2000)
  expect(lines.length).toBeGreaterThan(500)
  expect(lines.at(-1)).toBe('100 %')
})

test('a state is told once, also when its line ends', () => {
  const { lines, write, splitter } = collect()
  write('half\rwhole')
  vi.advanceTimersByTime(60_000)
  expect(lines).toEqual(['whole'])
  write('\nnext\n')
  splitter.flush()
  expect(lines).toEqual(['whole', 'next'])
})

test('blanks that take a bar away leave its last state', () => {
  const { lines, write, splitter } = collect()
  write('99 %\r100 %\r     \r')
  splitter.flush()
  expect(lines).toEqual(['100 %'])
})

test('many short bars, one after the other, end in a line each and are not told in between', () => {
  const { lines, write } = collect()
  for (let epoch = 0; epoch < 100; epoch++) {
    write(`epoch ${epoch}: 0 %\repoch ${epoch}: 50 %\r`)
    vi.advanceTimersByTime(200)
    write(`epoch ${epoch}: done\n`)
  }
  expect(lines).toEqual(Array.from({ length: 100 }, (_, epoch) => `epoch ${epoch}: done`))
})

test('after its end a stream tells nothing more', () => {
  const { lines, write, splitter } = collect()
  write('1 %\r')
  splitter.flush()
  vi.advanceTimersByTime(60_000)
  expect(lines).toEqual(['1 %'])
  write('2 %\r')
  splitter.clear()
  vi.advanceTimersByTime(60_000)
  expect(lines).toEqual(['1 %'])
})

test('of an output the last states are what stands there in the end', () => {
  expect(lastStates('a\r\n 10 %\r 20 %\r\u001b[K\nError: x\r\ny')).toBe('a\n 20 %\nError: x\ny')
})
