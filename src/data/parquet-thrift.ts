/**
 * Values of Thrift's compact protocol, in which Parquet keeps its headers, read so that no damage can hold the reader: numbers
 * have ten bytes at most, lists no more members than there are bytes, and structures are not deeper than any of Parquet's.
 */
export type ThriftValue = boolean | bigint | number | Uint8Array | ThriftValue[] | ThriftStruct
export type ThriftStruct = Map<number, ThriftValue>

const deepest = 16
const type = { stop: 0, true: 1, false: 2, byte: 3, i16: 4, i32: 5, i64: 6, double: 7 } as const
const [binary, list, struct] = [8, 9, 12] as const

/** Reads bytes from a place on, up to `end`. What is not there is an Error. */
export class ThriftReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  offset: number

  constructor(bytes: Uint8Array, offset: number, end: number) {
    this.#bytes = bytes
    this.offset = offset
    this.#end = end
  }

  byte(): number {
    if (this.offset >= this.#end) throw new Error('the bytes end too early')
    return this.#bytes[this.offset++]!
  }

  /** An unsigned number of up to 64 bits. */
  varint(): bigint {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
    throw new Error('a number has more than ten bytes')
  }

  /** A signed number, its sign in the lowest bit. */
  zigzag(): bigint {
    const value = this.varint()
    return (value >> 1n) ^ -(value & 1n)
  }

  skip(count: number): void {
    if (!(count >= 0 && count <= this.#end - this.offset))
      throw new Error('the bytes end too early')
    this.offset += count
  }

  struct(depth = 0): ThriftStruct {
    if (depth > deepest) throw new Error('structures are too deep')
    const fields: ThriftStruct = new Map()
    let id = 0
    for (;;) {
      const head = this.byte()
      const kind = head & 0x0f
      if (kind === type.stop) return fields
      id = head >> 4 ? id + (head >> 4) : Number(this.zigzag())
      fields.set(id, this.#value(kind, depth))
    }
  }

  #value(kind: number, depth: number): ThriftValue {
    switch (kind) {
      case type.true:
        return true
      case type.false:
        return false
      case type.byte:
        return this.byte()
      case type.i16:
      case type.i32:
        return Number(this.zigzag())
      case type.i64:
        return this.zigzag()
      case type.double:
        this.skip(8)
        return 0
      case binary: {
        const length = Number(this.varint())
        const start = this.offset
        this.skip(length)
        return this.#bytes.subarray(start, this.offset)
      }
      case list: {
        const head = this.byte()
        const count = head >> 4 === 15 ? Number(this.varint()) : head >> 4
        if (count > this.#end - this.offset) throw new Error('a list is longer than the file')
        const member = head & 0x0f
        const isBoolean = member === type.true || member === type.false
        return Array.from({ length: count }, () =>
          this.#value(isBoolean ? type.byte : member, depth + 1),
        )
      }
      case struct:
        return this.struct(depth + 1)
      default:
        throw new Error(`there is no type ${kind}`)
    }
  }
}
