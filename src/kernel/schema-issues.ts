import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Issue } from '../errors.ts'
import { show } from './show.ts'

/** What a schema found wrong with `input`, each with where it is and what came. `loc` is where the input itself stands. */
export function fromSchemaIssues(
  issues: readonly StandardSchemaV1.Issue[],
  input: unknown,
  loc: Issue['loc'],
): Issue[] {
  return issues.map(({ message, path = [] }) => {
    const keys = path.map((part) => (typeof part === 'object' ? part.key : part)) as (
      | string
      | number
    )[]
    const came = keys.reduce<unknown>(
      (node, key) =>
        node !== null && typeof node === 'object'
          ? (node as Record<string, unknown>)[key]
          : undefined,
      input,
    )
    return {
      loc: [...loc, ...keys],
      msg: `${message}; got ${show(came)}`,
      type: came === undefined ? 'missing' : 'value',
    }
  })
}
