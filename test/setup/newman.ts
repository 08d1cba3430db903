import newman from 'newman'
import type { Collection } from '../../src/postman/schema.ts'

export interface NewmanResult {
  /** Every assertion that was not true and every error of a script, in a sentence. */
  failures: string[]
  assertions: number
  /** Names of the requests in the order in which they were sent, without their numbers. */
  requests: string[]
  statuses: number[]
}

/** Runs a collection with newman, as a user would: its variables may be given other values. */
export function runCollection(
  collection: Collection,
  variables: Readonly<Record<string, string>> = {},
): Promise<NewmanResult> {
  return new Promise((resolve, reject) => {
    newman.run(
      {
        collection: collection as never,
        globals: { values: [] },
        envVar: Object.entries(variables).map(([key, value]) => ({ key, value })),
        timeout: 240_000,
        reporters: [],
      } as newman.NewmanRunOptions,
      (error, summary) => {
        if (error) return reject(error)
        const { failures, stats, executions } = summary.run
        resolve({
          failures: failures.map(
            ({ error: { test, message }, source }) => `${source?.name}: ${test}: ${message}`,
          ),
          assertions: stats.assertions.total ?? 0,
          requests: executions.map(({ item }) => item.name.replace(/^\d+\. /, '')),
          statuses: executions.map(({ response }) => response?.code ?? 0),
        })
      },
    )
  })
}
