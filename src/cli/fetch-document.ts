import { toError } from '../errors.ts'
import { parseOpenApi } from '../postman/document.ts'
import type { OpenApi } from '../postman/schema.ts'
import { CommandError, exit } from './exit.ts'

/** How long a service may take to say what it can do, in milliseconds. */
const patience = 15_000

/** Asks a running service for its OpenAPI document. */
export async function fetchDocument(baseUrl: string, key: string | undefined): Promise<OpenApi> {
  if (!/^https?:\/\//.test(baseUrl) || !URL.canParse(baseUrl)) {
    throw new CommandError(
      `Expected a URL such as http://127.0.0.1:8000, got '${baseUrl}'`,
      exit.usage,
    )
  }
  const response = await ask(`${baseUrl}/openapi.json`, baseUrl, key)
  if (response.status === 401 || response.status === 403) {
    throw new CommandError(
      `${baseUrl} wants ${key === undefined ? 'an' : 'another'} API key: set CHAPKIT_API_KEY, or use --api-key`,
      exit.refused,
    )
  }
  if (!response.ok) {
    throw new CommandError(
      `${baseUrl}/openapi.json answered ${response.status}: no chapkit service answers there`,
      exit.unreachable,
    )
  }
  try {
    return parseOpenApi(await response.json())
  } catch (error) {
    const why = error instanceof SyntaxError ? 'got something that is no JSON' : lineOf(error)
    throw new CommandError(
      `${baseUrl}/openapi.json: ${why}: no chapkit service answers there`,
      exit.unreachable,
    )
  }
}

async function ask(url: string, baseUrl: string, key: string | undefined): Promise<Response> {
  try {
    return await fetch(url, {
      signal: AbortSignal.timeout(patience),
      headers: {
        accept: 'application/json',
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
      },
    })
  } catch (error) {
    const { name, cause } = error as Error
    const why =
      name === 'TimeoutError'
        ? `did not answer within ${patience / 1000} s`
        : `does not answer (${(cause as { code?: string } | undefined)?.code ?? lineOf(error)})`
    throw new CommandError(
      `${baseUrl} ${why}: start the service, or name another with --url`,
      exit.unreachable,
      { cause: error },
    )
  }
}

function lineOf(error: unknown): string {
  return toError(error).message.replaceAll(/\s*\n\s*/g, ' ')
}
