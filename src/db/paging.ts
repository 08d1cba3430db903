import { decodeTime } from 'ulid'
import { toTimestamp } from '../kernel/clock.ts'

/** Where a page by key begins: behind this place in the order of (time, id). */
export interface KeyPosition {
  at: string
  id: string
}

/**
 * The place of an entity in its list. One that has been deleted since still has a place: the time in its id, which is when
 * the service made it.
 */
export async function keyPosition(
  id: string,
  find: () => Promise<{ at: string } | undefined>,
): Promise<KeyPosition> {
  return { at: (await find())?.at ?? toTimestamp(decodeTime(id)), id }
}
