const own = new URL('..', import.meta.url).href

/** Where outside of chapkit the call came from, as `service.ts:12`; null when the stack does not say. */
export function callSite(): string | null {
  const frames = new Error().stack?.split('\n').slice(1) ?? []
  const foreign = frames.find((frame) => /\.[cm]?[jt]s:\d+/.test(frame) && !frame.includes(own))
  return /([^/\s(]+:\d+):\d+\)?$/.exec(foreign ?? '')?.[1] ?? null
}
