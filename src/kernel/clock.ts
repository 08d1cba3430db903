/** Milliseconds since 1970. The only face of time that slices see; tests pass their own. */
export type Clock = () => number

/** The one format of every timestamp on the wire and at rest: `YYYY-MM-DDThh:mm:ss.sssZ`. Sorts as text. */
export function toTimestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
