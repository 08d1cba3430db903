/**
 * The data of server-sent events in a stream of bytes, however it is cut: lines end with LF, CR or CRLF, comments are left out,
 * several data lines of one event are joined. What the stream ends with before a blank line is no event.
 * `onBytes` is told of whatever arrives, comments too.
 */
export async function* readEvents(
  stream: ReadableStream<Uint8Array>,
  onBytes: () => void = () => {},
): AsyncGenerator<string, void> {
  const reader = stream.getReader()
  const decoder = new TextDecoder()
  const parse = createEventParser()
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      onBytes()
      yield* parse(decoder.decode(value, { stream: true }))
    }
  } finally {
    // Whoever stops reading ends the request.
    await reader.cancel().catch(() => {})
  }
}

/** Takes text as it comes, and answers the data of the events that it completes. */
export function createEventParser(): (text: string) => string[] {
  let rest = ''
  let endsWithCr = false
  let data: string[] = []

  return (text) => {
    // The LF of a CRLF that was cut in two belongs to the line before.
    const fresh = endsWithCr && text.startsWith('\n') ? text.slice(1) : text
    if (text !== '') endsWithCr = text.endsWith('\r')
    const lines = (rest + fresh).split(/\r\n|\r|\n/)
    rest = lines.pop() ?? ''
    const events: string[] = []
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) events.push(data.join('\n'))
        data = []
      } else if (line === 'data' || line.startsWith('data:')) {
        data.push(line.slice(5).replace(/^ /, ''))
      }
    }
    return events
  }
}
