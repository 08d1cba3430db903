import { STATUS_CODES } from 'node:http'
import type { Example, Operation, Request } from './schema.ts'

/** Refusals that say the same of every operation. */
const common: ReadonlySet<string> = new Set(['413', '415', '500'])

/** An example of every answer that the document has, but of those that are the same everywhere. */
export function toExamples({ responses = {} }: Operation, request: Request): Example[] {
  const { method, url, header, body } = request
  // What is switched off was not sent.
  const query = url.query?.filter(({ disabled }) => !disabled) ?? []
  const originalRequest = {
    method,
    header: header.filter(({ disabled }) => !disabled),
    url: {
      ...{ raw: url.raw, host: url.host, path: url.path },
      ...(query.length > 0 && { query }),
      ...(url.variable && { variable: url.variable }),
    },
  }
  return Object.entries(responses)
    .filter(([status]) => /^[1-5]\d\d$/.test(status) && !common.has(status))
    .map(([status, { description, content = {} }]) => {
      const code = Number(status)
      const [mediaType, media] = Object.entries(content)[0] ?? []
      const isJson = mediaType !== undefined && /json$/.test(mediaType)
      return {
        name: `${status} ${description ?? STATUS_CODES[code] ?? ''}`.trim(),
        originalRequest: { ...originalRequest, ...(body && code < 400 && { body }) },
        status: STATUS_CODES[code] ?? '',
        code,
        _postman_previewlanguage: isJson ? 'json' : 'text',
        header:
          mediaType === undefined || mediaType === '*/*'
            ? []
            : [{ key: 'Content-Type', value: mediaType }],
        body: toText(media?.example, isJson),
      }
    })
}

function toText(example: unknown, isJson: boolean): string {
  if (example === undefined) return ''
  return typeof example === 'string' && !isJson ? example : JSON.stringify(example, null, 2)
}
