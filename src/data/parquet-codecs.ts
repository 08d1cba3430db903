import type { Compressors } from 'hyparquet'

/** Unpacks a page; what does not become exactly `length` bytes is an Error. */
type Unpack = (input: Uint8Array, length: number) => Uint8Array

/** Node's own, which stop at the length that a page is to have; a library for Snappy; and LZ4, which Node lacks. */
export async function importCodecs(): Promise<Compressors> {
  const [{ compressors }, zlib] = await Promise.all([
    import('hyparquet-compressors'),
    import('node:zlib'),
  ])
  const codecs: Record<string, Unpack> = {
    SNAPPY: compressors.SNAPPY!,
    GZIP: (input, length) => zlib.gunzipSync(input, { maxOutputLength: length }),
    BROTLI: (input, length) => zlib.brotliDecompressSync(input, { maxOutputLength: length }),
    ZSTD: (input, length) => zlib.zstdDecompressSync(input, { maxOutputLength: length }),
    LZ4: unpackLz4,
    LZ4_RAW: unpackLz4Block,
  }
  return Object.fromEntries(
    Object.entries(codecs).map(([name, unpack]): [string, Unpack] => [name, exactly(unpack)]),
  )
}

function exactly(unpack: Unpack): Unpack {
  return (input, length) => {
    // Of nothing, some writers make no bytes and some a few.
    if (length === 0) return new Uint8Array()
    const output = unpack(input, length)
    if (output.byteLength !== length) throw new Error('a page has another length')
    return output
  }
}

/** Blocks with their lengths before them, as Hadoop has them; other writers have one block without. */
function unpackLz4(input: Uint8Array, length: number): Uint8Array {
  return unpackHadoop(input, length) ?? unpackLz4Block(input, length)
}

function unpackHadoop(input: Uint8Array, length: number): Uint8Array | null {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength)
  const output = new Uint8Array(length)
  let from = 0
  let to = 0
  while (from < input.byteLength) {
    if (from + 8 > input.byteLength) return null
    const [unpacked, packed] = [view.getUint32(from), view.getUint32(from + 4)]
    from += 8
    if (unpacked > length - to || packed > input.byteLength - from) return null
    try {
      output.set(unpackLz4Block(input.subarray(from, from + packed), unpacked), to)
    } catch {
      // Then it is a block without lengths, and what is wrong is told of that.
      return null
    }
    from += packed
    to += unpacked
  }
  return to === length ? output : null
}

/** One block of LZ4: texts as they are, each followed by a copy of what came before (LZ4 block format). */
function unpackLz4Block(input: Uint8Array, length: number): Uint8Array {
  const output = new Uint8Array(length)
  let from = 0
  let to = 0
  const byte = (): number => {
    const found = input[from++]
    if (found === undefined) throw new Error('an LZ4 block ends too early')
    return found
  }
  const lengthOf = (nibble: number): number => {
    let total = nibble
    if (nibble === 15) {
      let more = 255
      while (more === 255) total += more = byte()
    }
    return total
  }
  while (from < input.byteLength) {
    const token = byte()
    const literals = lengthOf(token >> 4)
    if (literals > input.byteLength - from || literals > length - to)
      throw new Error('an LZ4 block is longer than its page')
    output.set(input.subarray(from, from + literals), to)
    from += literals
    to += literals
    // The last sequence has no copy.
    if (from === input.byteLength) break
    const back = byte() | (byte() << 8)
    const copied = lengthOf(token & 15) + 4
    if (back === 0 || back > to || copied > length - to)
      throw new Error('an LZ4 block copies what it does not have')
    for (let at = 0; at < copied; at++, to++) output[to] = output[to - back]!
  }
  if (to !== length) throw new Error('an LZ4 block is shorter than its page')
  return output
}
