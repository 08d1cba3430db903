/** What was measured several times: its middle and how far it spread. */
export interface Spread {
  median: number
  least: number
  most: number
  count: number
}

export interface Compared {
  ours: number
  limit: number | null
  ratio: number | null
}

/** What a figure has to reach. */
export interface Bar {
  text: string
  isMet(compared: Compared): boolean
}

export interface Result {
  /** What the figure is of, such as `p50 of a training`. */
  what: string
  unit: string
  ours: Spread
  /** What the limit is, in words; null where there is none. */
  limitOf: string | null
  limit: Spread | null
  ratio: number | null
  bar: Bar | null
  note?: string
}

export interface RunOptions {
  /** Fewer repeats, shorter runs, smaller data: to see whether a program works, not to quote. */
  quick: boolean
}

/** One row of design/performance.md, or one cost of the framework. */
export interface Program {
  name: string
  /** The workload in words. */
  row: string
  run(options: RunOptions): Promise<Result[]>
}

export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length / 2
  const [low, high] = [sorted[Math.ceil(half) - 1], sorted[Math.floor(half)]]
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2
}

export function spreadOf(values: readonly number[]): Spread {
  return {
    median: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
    count: values.length,
  }
}

interface Figures {
  what: string
  unit: string
  ours: readonly number[]
  limitOf?: string
  /** Measured alternately with ours where possible: pairs are compared, so that a slow minute of the machine weighs on both. */
  limit?: readonly number[]
  bar?: Bar
  note?: string
}

export function toResult({ what, unit, ours, limitOf, limit, bar, note }: Figures): Result {
  const pairs = limit?.length === ours.length ? ours.map((each, at) => each / limit[at]!) : null
  const ratio = pairs ? median(pairs) : limit ? median(ours) / median(limit) : null
  return {
    what,
    unit,
    ours: spreadOf(ours),
    limitOf: limitOf ?? null,
    limit: limit ? spreadOf(limit) : null,
    ratio,
    bar: bar ?? null,
    ...(note !== undefined && { note }),
  }
}

export function isMet({ ours, limit, ratio, bar }: Result): boolean | null {
  return bar?.isMet({ ours: ours.median, limit: limit?.median ?? null, ratio }) ?? null
}

export const atMost = (value: number): Bar => ({
  text: `≤ ${value}`,
  isMet: ({ ours }) => ours <= value,
})

export const atLeast = (value: number): Bar => ({
  text: `≥ ${value}`,
  isMet: ({ ours }) => ours >= value,
})

export const atLeastOfLimit = (fraction: number): Bar => ({
  text: `≥ ${Math.round(fraction * 100)} % of the limit`,
  isMet: ({ ratio }) => ratio !== null && ratio >= fraction,
})

export const atMostTimesLimit = (factor: number): Bar => ({
  text: `≤ ${factor} × the limit`,
  isMet: ({ ratio }) => ratio !== null && ratio <= factor,
})

export const atMostAboveLimit = (value: number): Bar => ({
  text: `≤ the limit + ${value}`,
  isMet: ({ ours, limit }) => limit !== null && ours <= limit + value,
})

export const all = (...bars: Bar[]): Bar => ({
  text: bars.map(({ text }) => text).join(', '),
  isMet: (compared) => bars.every((bar) => bar.isMet(compared)),
})

/** Measures ours and the limit in turns, each first every other time. */
export async function inTurns(
  repeats: number,
  ours: () => Promise<number>,
  limit: () => Promise<number>,
): Promise<{ ours: number[]; limit: number[] }> {
  const measured = { ours: [] as number[], limit: [] as number[] }
  for (let repeat = 0; repeat < repeats; repeat++) {
    const order = repeat % 2 === 0 ? (['ours', 'limit'] as const) : (['limit', 'ours'] as const)
    for (const which of order) measured[which].push(await (which === 'ours' ? ours() : limit()))
  }
  return measured
}

export async function milliseconds(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** How often per second `work` runs, over at least `ms` milliseconds, after it was run warm for a third of that. */
export function perSecond(work: () => unknown, ms: number): number {
  for (const end = performance.now() + ms / 3; performance.now() < end; ) work()
  let count = 0
  const start = performance.now()
  while (performance.now() - start < ms) {
    work()
    count++
  }
  return count / ((performance.now() - start) / 1000)
}

export async function perSecondAsync(work: () => Promise<unknown>, ms: number): Promise<number> {
  for (const end = performance.now() + ms / 3; performance.now() < end; ) await work()
  let count = 0
  const start = performance.now()
  while (performance.now() - start < ms) {
    await work()
    count++
  }
  return count / ((performance.now() - start) / 1000)
}
