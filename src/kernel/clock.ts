/** Milliseconds since 1970. The only face of time that slices see; tests pass their own. */
export type Clock = () => number

/** The clock on the wall, which may be wrong and be set, and the one that nobody sets. */
export interface Clocks {
  now: Clock
  /** Milliseconds for which services have had the data; see `db/service-time.ts`. */
  serviceTime: Clock
}

/** The one format of every timestamp on the wire and at rest: `YYYY-MM-DDThh:mm:ss.sssZ`. Sorts as text. */
export function toTimestamp(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
