import { once } from 'node:events'
import { connect } from 'node:net'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  text: string
  json: ReturnType<typeof JSON.parse>
}

/** Sends bytes as they are and reads the answers until the other side closes. */
export async function sendRaw(
  url: string,
  ...pieces: (string | Uint8Array)[]
): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  // A refusal may reset the connection while we still send: what came until then counts.
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  for (const piece of pieces) socket.write(piece)
  await closed
  return parseAnswers(Buffer.concat(chunks).toString('latin1'))
}

/** The answers in what a server has sent: a character for each byte. */
export function parseAnswers(bytes: string): RawAnswer[] {
  const answers: RawAnswer[] = []
  let rest = bytes
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n')
    const [statusLine = '', ...lines] = rest.slice(0, end === -1 ? rest.length : end).split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => {
        const at = line.indexOf(':')
        return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
      }),
    )
    const { body, after } = readBody(end === -1 ? '' : rest.slice(end + 4), headers)
    const text = Buffer.from(body, 'latin1').toString()
    answers.push({
      status: Number(statusLine.split(' ')[1]),
      headers,
      text,
      json: headers['content-type']?.includes('json') && text !== '' ? JSON.parse(text) : undefined,
    })
    rest = after
  }
  return answers
}

/** The body at the beginning of what came behind a head, and what comes behind it. */
function readBody(rest: string, headers: Record<string, string>): { body: string; after: string } {
  if (headers['transfer-encoding'] !== 'chunked') {
    const length = Number(headers['content-length'] ?? rest.length)
    return { body: rest.slice(0, length), after: rest.slice(length) }
  }
  let body = ''
  let at = 0
  for (;;) {
    const line = rest.indexOf('\r\n', at)
    // An answer that was cut off.
    if (line === -1) return { body, after: '' }
    const length = Number.parseInt(rest.slice(at, line), 16)
    body += rest.slice(line + 2, line + 2 + length)
    at = line + 2 + length + 2
    if (length === 0) return { body, after: rest.slice(at) }
  }
}

/** Lines of a request, with a Host, unless another is among the headers, and an end. */
export function request(line: string, headers: string[] = [], body = ''): string {
  const host = headers.some((header) => /^host:/i.test(header)) ? [] : ['Host: localhost']
  return [line, ...host, 'Connection: close', ...headers, '', body].join('\r\n')
}
