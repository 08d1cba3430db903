import { vi } from 'vitest'

/** Characters of JSON that the thread of the service may read or write at a stretch. */
const stretch = 300 * 1024

/**
 * What this thread reads and writes as JSON while `work` is done, of a length that others would notice. A test reads its
 * answers, and models mostly run in the process of a test: what `others` do is not of the service.
 */
export async function longStretches(
  work: () => Promise<unknown>,
  others = /^(testing|host)\/|^a test$/,
): Promise<string[]> {
  const found: string[] = []
  const note = (what: string, text: unknown) => {
    if (typeof text !== 'string' || text.length <= stretch) return
    const caller = /src\/(\S+?\.ts):/.exec(new Error().stack ?? '')?.[1] ?? 'a test'
    if (!others.test(caller)) found.push(`${what} ${text.length} in ${caller}`)
  }
  const { parse, stringify } = JSON
  const spies = [
    vi.spyOn(JSON, 'parse').mockImplementation((text, reviver) => {
      note('parse', text)
      return parse(text, reviver)
    }),
    vi.spyOn(JSON, 'stringify').mockImplementation((value, replacer, space) => {
      const text = stringify(value, replacer as never, space)
      note('stringify', text)
      return text
    }),
  ]
  try {
    await work()
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  return found
}
