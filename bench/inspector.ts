/** What is asked of a process through the protocol of its debugger; it must run with `--inspect=127.0.0.1:0`. */
export interface Inspector {
  send<Answer>(method: string, params?: object): Promise<Answer>
  close(): void
}

export async function openInspector(url: string): Promise<Inspector> {
  const socket = new WebSocket(url)
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let asked = 0
  const fail = () => {
    for (const { reject } of waiting.values()) reject(new Error('The debugger hung up'))
  }
  socket.addEventListener('close', fail)
  socket.addEventListener('message', ({ data }) => {
    const { id, result, error } = JSON.parse(String(data))
    if (error) waiting.get(id)?.reject(new Error(error.message))
    else waiting.get(id)?.resolve(result)
    waiting.delete(id)
  })
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true })
    socket.addEventListener('error', reject, { once: true })
  })
  return {
    send<Answer>(method: string, params: object = {}) {
      const answer = Promise.withResolvers<unknown>()
      waiting.set(++asked, answer)
      socket.send(JSON.stringify({ id: asked, method, params }))
      return answer.promise as Promise<Answer>
    },
    close: () => socket.close(),
  }
}

/** Bytes that a process holds after a collection, objects and what lies outside of V8's heap. */
export async function heldBy(url: string): Promise<number> {
  const inspector = await openInspector(url)
  // What a finalizer lets go of is free after the next one.
  for (let round = 0; round < 3; round++) await inspector.send('HeapProfiler.collectGarbage')
  const { result } = await inspector.send<{ result: { value: number } }>('Runtime.evaluate', {
    expression: '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())',
  })
  inspector.close()
  return result.value
}
