import type { Database } from './database.ts'
import type { Queries } from './tables.ts'

/** Rows that one commit of a long removal takes: everybody else waits for it. */
const rowsPerStep = 500

/**
 * Repeats a removal in commits of its own until fewer rows were left than it may take; between two of them others write and read.
 * Not durable by themselves: what a power cut undoes is removed by the next one.
 */
export async function inSteps(
  database: Database,
  remove: (tx: Queries, limit: number) => Promise<number>,
): Promise<void> {
  for (let removed = rowsPerStep; removed >= rowsPerStep; )
    removed = await database.write((tx) => remove(tx, rowsPerStep), { durable: false })
}
