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
        node !== null && typeof node === 'object' && Object.hasOwn(node, key)
          ? (node as Record<string, unknown>)[key]
          : undefined,
      input,
    )
    return {
      loc: [...loc, ...keys],
      msg: toMessage(message, came),
      type: came === undefined ? 'missing' : 'value',
    }
  })
}

/** Zod names the kind of what came; we show it instead. Messages in other words stay as they are. */
function toMessage(message: string, came: unknown): string {
  const expected = /^(?:Invalid|Too)[\w ]*: (expected .+?)(?:, received .+)?$/s.exec(message)?.[1]
  return expected ? `E${expected.slice(1)}, got ${show(came)}` : `${message}; got ${show(came)}`
}
