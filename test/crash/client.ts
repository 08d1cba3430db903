import { Agent, request as httpRequest } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Service } from '../../src/definition.ts'

export interface Request {
  method: string
  path: string
  headers?: Record<string, string>
  body?: string | Uint8Array
}

export interface Answer {
  status: number
  bytes: Buffer
  /** Answered from what is kept with the idempotency key. */
  replayed: boolean
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of an answer, and fails when it is not so
  json: any
}

/** Sends a request; rejects when the connection broke, and nobody knows what became of it. */
export type Send = (request: Request) => Promise<Answer>

/** Requests over sockets that stay open. */
export function httpClient(url: string): { send: Send; close(): void } {
  const agent = new Agent({ keepAlive: true })

  const send: Send = ({ method, path, headers = {}, body }) =>
    new Promise((resolve, reject) => {
      const sent = httpRequest(`${url}${path}`, { method, headers, agent }, (response) => {
        buffer(response).then(
          (bytes) => resolve(toAnswer(response.statusCode ?? 0, response.headers, bytes)),
          reject,
        )
      })
      sent.on('error', reject)
      sent.end(body)
    })

  return { send, close: () => agent.destroy() }
}

/** The same requests without a socket. */
export function injectClient(service: Service): Send {
  return async ({ method, path, headers = {}, body }) => {
    const response = await service.inject({
      method: method as 'GET',
      url: path,
      headers,
      ...(body !== undefined && { payload: Buffer.from(body as Uint8Array) }),
    })
    return toAnswer(response.statusCode, response.headers, response.rawPayload)
  }
}

function toAnswer(
  status: number,
  headers: Readonly<Record<string, unknown>>,
  bytes: Buffer,
): Answer {
  const isJson = /json/.test(String(headers['content-type'] ?? '')) && bytes.length > 0
  return {
    status,
    bytes,
    replayed: headers['idempotency-replayed'] === 'true',
    json: isJson ? JSON.parse(bytes.toString()) : undefined,
  }
}

export const jsonRequest = (
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Request => ({
  method,
  path,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
})
