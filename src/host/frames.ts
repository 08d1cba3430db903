/*
 * How messages travel between the service and a model host: frames on a pipe of their own. A frame is a header of 16 bytes, JSON
 * in UTF-8, and bytes that JSON has no form for: frames and models.
 *
 *   0  magic      2 bytes
 *   2  kind       1 byte: what the message is
 *   3  zero       1 byte
 *   4  json       4 bytes, length of the JSON
 *   8  attachment 6 bytes, length of the bytes behind it
 *   14 zero       2 bytes
 *
 * The channel that Node gives a child process was not taken: its parser runs in native code of the service, on bytes that the
 * model can write. It throws where nobody can catch, keeps messages without a bound, and takes over handles.
 */

const magic = 0xc6b7
const headerBytes = 16

/** What one kind of message may be at most. */
export interface FrameLimit {
  /** Bytes of JSON, and beside it. */
  json: number
  attachment: number
  /** Elements and members in the JSON. @default as many as its bytes can hold */
  values?: number
}

export interface Frame {
  kind: number
  json: Buffer
  attachment: Buffer
}

/** Something arrived that is not of the protocol. Its message says what. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}

/** The pieces of a frame, to be written one after the other. Small ones are one piece. */
export function encodeFrame(
  kind: number,
  message: unknown,
  attachments: readonly Uint8Array[] = [],
): Uint8Array[] {
  const json = Buffer.from(JSON.stringify(message))
  const attached = attachments.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16LE(magic, 0)
  header.writeUInt8(kind, 2)
  header.writeUInt32LE(json.length, 4)
  header.writeUIntLE(attached, 8, 6)
  const pieces = [header, json, ...attachments]
  return json.length + attached <= joinedBytes ? [Buffer.concat(pieces)] : pieces
}

/** Up to here copying the pieces of a frame costs less than another call of the system. */
const joinedBytes = 64 * 1024

/**
 * Cuts bytes into frames, as they come. Throws `ProtocolError` at the first byte that is wrong; a length is believed only up to
 * what `limitOf` allows, and memory grows with what has arrived, not with what was announced.
 */
export function createFrameReader(
  limitOf: (kind: number) => FrameLimit | undefined,
  take: (frame: Frame) => void,
) {
  const header = Buffer.alloc(headerBytes)
  let headerFilled = 0
  let frame: { kind: number; json: Part; attachment: Part } | undefined

  return (chunk: Buffer): void => {
    let rest = chunk
    while (rest.length > 0) {
      if (frame === undefined) {
        const copied = rest.copy(header, headerFilled)
        headerFilled += copied
        rest = rest.subarray(copied)
        assertBegins(header, headerFilled)
        if (headerFilled < headerBytes) return
        headerFilled = 0
        frame = open(header, limitOf)
      }
      rest = frame.json.take(rest)
      rest = frame.attachment.take(rest)
      if (!frame.json.isFull() || !frame.attachment.isFull()) return
      const { kind, json, attachment } = frame
      frame = undefined
      take({ kind, json: json.bytes(), attachment: attachment.bytes() })
    }
  }
}

/** Bytes that no frame begins with are refused at once: half a header may be all that ever comes. */
function assertBegins(header: Buffer, filled: number): void {
  const isRight =
    (filled < 1 || header[0] === (magic & 0xff)) && (filled < 2 || header[1] === magic >> 8)
  if (!isRight) throw new ProtocolError('bytes that begin no message')
}

function open(header: Buffer, limitOf: (kind: number) => FrameLimit | undefined) {
  const kind = header.readUInt8(2)
  if (header[3] !== 0 || header.readUInt16LE(14) !== 0)
    throw new ProtocolError('a message with a damaged header')
  const limit = limitOf(kind)
  if (limit === undefined)
    throw new ProtocolError(`a message of an unknown or unexpected kind (${kind})`)
  const json = header.readUInt32LE(4)
  const attachment = header.readUIntLE(8, 6)
  if (json > limit.json || attachment > limit.attachment) {
    throw new ProtocolError(
      `a message of ${json} + ${attachment} bytes, where at most ${limit.json} + ${limit.attachment} are expected`,
    )
  }
  return { kind, json: createPart(json), attachment: createPart(attachment) }
}

type Part = ReturnType<typeof createPart>

/** What a part that is read in pieces begins with. */
const firstBytes = 64 * 1024

/** A part of a frame with a known length. What arrives in one piece is not copied; the rest is collected in memory that doubles. */
function createPart(length: number) {
  let held: Buffer = Buffer.alloc(0)
  let filled = 0

  return {
    isFull: (): boolean => filled === length,
    bytes: (): Buffer => held.subarray(0, length),

    /** Takes what belongs to the part, and gives back the rest. */
    take(bytes: Buffer): Buffer {
      const wanted = length - filled
      if (wanted === 0) return bytes
      if (filled === 0 && bytes.length >= wanted) held = bytes
      else {
        reserve(Math.min(length, filled + bytes.length))
        bytes.copy(held, filled, 0, wanted)
      }
      filled += Math.min(wanted, bytes.length)
      return bytes.subarray(wanted)
    },
  }

  function reserve(needed: number): void {
    if (held.length >= needed) return
    const larger = Buffer.allocUnsafeSlow(
      Math.min(length, Math.max(needed, firstBytes, held.length * 2)),
    )
    held.copy(larger, 0, 0, filled)
    held = larger
  }
}
