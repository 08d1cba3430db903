/** Bytes that can be handed over to a thread: these, where they have a buffer to themselves, else a copy of them. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = bytes
  const isAlone = byteOffset === 0 && buffer.byteLength === byteLength
  return isAlone && buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : new Uint8Array(bytes)
}
