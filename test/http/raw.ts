import { connect } from 'node:net'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  text: string
  json: ReturnType<typeof JSON.parse>
}

/** Sends bytes as they are and reads the answers until the other side closes. */
export function sendRaw(url: string, ...pieces: (string | Uint8Array)[]): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname)
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    // A refusal may reset the connection while we still send: what came until then counts.
    socket.on('error', () => {})
    socket.on('close', () => resolve(parseAnswers(Buffer.concat(chunks).toString())))
    for (const piece of pieces) socket.write(piece)
  })
}

/** The answers in what a server has sent. */
export function parseAnswers(text: string): RawAnswer[] {
  const answers: RawAnswer[] = []
  let rest = text
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n')
    const [statusLine = '', ...lines] = rest.slice(0, end === -1 ? rest.length : end).split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => {
        const at = line.indexOf(':')
        return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
      }),
    )
    const length = Number(headers['content-length'] ?? rest.length)
    const body = end === -1 ? '' : rest.slice(end + 4, end + 4 + length)
    answers.push({
      status: Number(statusLine.split(' ')[1]),
      headers,
      text: body,
      json: headers['content-type']?.includes('json') && body !== '' ? JSON.parse(body) : undefined,
    })
    rest = end === -1 ? '' : rest.slice(end + 4 + length)
  }
  return answers
}

/** Lines of a request, with a Host, unless another is among the headers, and an end. */
export function request(line: string, headers: string[] = [], body = ''): string {
  const host = headers.some((header) => /^host:/i.test(header)) ? [] : ['Host: localhost']
  return [line, ...host, 'Connection: close', ...headers, '', body].join('\r\n')
}
