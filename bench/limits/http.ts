import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Bare node:http: the least that a server in this language can be. */
const server = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json')
  response.end('{"status":"healthy","checks":{"database":{"state":"healthy"}}}')
})
server.listen(0, '127.0.0.1', () => {
  console.error(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.on('SIGTERM', () => process.exit(0))
