import { once } from 'node:events'
import { createServer, request as forward } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** A request that a client has sent, with what it says of itself. */
export interface Asked {
  method: string
  path: string
  headers: Record<string, string>
  body?: unknown
}

/** Passes requests on to a service, and keeps them. */
export async function startRecorder(target: string) {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '', headers } = request
    const body = await buffer(request)
    asked.push({
      method,
      path,
      headers: {
        ...(headers.accept && { accept: headers.accept }),
        ...(headers['content-type'] && { 'content-type': headers['content-type'] }),
      },
      ...(body.length > 0 && { body: JSON.parse(body.toString()) }),
    })
    const { host: _, ...rest } = headers
    const onward = forward(`${target}${path}`, { method, headers: rest })
    onward.once('error', () => response.destroy())
    onward.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** What was asked since the last call, in order. */
    take: () => asked.splice(0),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
