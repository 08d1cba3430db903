import { crc32 } from 'node:zlib'
import { ChapkitError, toError } from '../errors.ts'

/*
 * How a model that is a value is kept: one line of JSON, `{"chapkit_model":1,"crc32":"…","buffers":[…],"value":…}`, and
 * behind its line break the bytes of typed arrays, one after the other, `buffers` being their lengths. A model without
 * typed arrays is therefore a JSON document. What JSON has no word for stands as `{"$":[kind, payload]}`; an object
 * that has a key `$` of its own is written as a list of entries.
 *
 * Reading never runs code and never looks up a name outside the tables of this file: v8.deserialize was not taken
 * because its format belongs to a V8 version, and pickle-like formats because they run what they read.
 */

const version = 1
const prefixPattern = /^\{"chapkit_model":(\d+),"crc32":"([0-9a-f]{8})",/
const longestPrefix = 64
const maximumDepth = 500

interface TypedArrayKind {
  new (buffer: ArrayBuffer): ArrayBufferView
  readonly BYTES_PER_ELEMENT: number
}

const typedArrays: ReadonlyMap<string, TypedArrayKind> = new Map(
  Object.entries({
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  }),
)

/**
 * The bytes of a model: plain objects and arrays, strings, numbers (also NaN, infinities and -0), bigint, undefined, Map,
 * Set, Date, ArrayBuffer and typed arrays. Anything else is a `validation-failed` that names its path.
 * A value that is reached twice is stored twice; a cycle is an error.
 */
export function encodeModel(value: unknown): Uint8Array {
  const { encoded, buffers } = toStorable(value)
  let text: string
  try {
    text = `"buffers":${JSON.stringify(buffers.map((b) => b.byteLength))},"value":${JSON.stringify(encoded)}}`
  } catch (error) {
    throw new ChapkitError(
      'validation-failed',
      `model: too large to be stored as a value (${toError(error).message}); use typed arrays or give the runner save/load`,
      { cause: error },
    )
  }

  const rest = Buffer.concat([Buffer.from(buffers.length > 0 ? `${text}\n` : text), ...buffers])
  const checksum = crc32(rest).toString(16).padStart(8, '0')
  return Buffer.concat([Buffer.from(`{"chapkit_model":${version},"crc32":"${checksum}",`), rest])
}

/** The model in bytes that `encodeModel` wrote. Bytes that are anything else are a `conflict`. */
export function decodeModel(bytes: Uint8Array): unknown {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const prefix = prefixPattern.exec(view.toString('latin1', 0, longestPrefix))
  if (!prefix) throw damaged('it does not begin like a model')
  const [opening, written, checksum] = prefix
  if (Number(written) !== version) {
    throw new ChapkitError(
      'conflict',
      `The model file has version ${written}, this program reads version ${version}; update it or train the model again`,
    )
  }
  const rest = view.subarray(opening.length)
  if (crc32(rest) !== Number.parseInt(checksum!, 16)) throw damaged('its checksum does not match')

  try {
    return fromStorable(rest)
  } catch (error) {
    throw error instanceof ChapkitError ? error : damaged(toError(error).message, error)
  }
}

function damaged(why: string, cause?: unknown): ChapkitError {
  return new ChapkitError('conflict', `The model file is damaged: ${why}; train the model again`, {
    cause,
  })
}

type Step = { key: string } | { index: number } | { entry: unknown } | { member: number }

/** Containers without anything special in them are taken as they are: most of a model is copied by no one. */
function toStorable(root: unknown): { encoded: unknown; buffers: Uint8Array[] } {
  const buffers: Uint8Array[] = []
  const path: Step[] = []
  const above = new Set<object>()

  return { encoded: encode(root), buffers }

  function encode(value: unknown): unknown {
    if (isPlain(value)) return value
    switch (typeof value) {
      case 'number':
        return tag('number', Object.is(value, -0) ? '-0' : String(value))
      case 'undefined':
        return tag('undefined', 0)
      case 'bigint':
        return tag('bigint', value.toString())
      case 'object':
        return encodeObject(value as object)
      default:
        throw refused(`a ${typeof value}`)
    }
  }

  function encodeObject(value: object): unknown {
    if (above.has(value)) {
      throw new ChapkitError(
        'validation-failed',
        `${nameOf(path)}: refers back to what it is in; a model cannot contain itself`,
      )
    }
    if (above.size >= maximumDepth) {
      throw new ChapkitError(
        'validation-failed',
        `${nameOf(path.slice(0, 8))}…: nested deeper than ${maximumDepth}; flatten it or give the runner save/load`,
      )
    }
    above.add(value)
    const encoded = encodeContainer(value)
    above.delete(value)
    return encoded
  }

  function encodeContainer(value: object): unknown {
    if (Array.isArray(value)) return encodeArray(value)
    if (ArrayBuffer.isView(value)) return encodeView(value)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype === Object.prototype) return encodeEntries(value)
    if (prototype === null) {
      return tag('dictionary', encodePairs(value))
    }
    if (prototype === Map.prototype) {
      const entries = [...(value as Map<unknown, unknown>)]
      return tag(
        'map',
        entries.map(([k, v]) => [at({ entry: k }, k), at({ entry: k }, v)]),
      )
    }
    if (prototype === Set.prototype) {
      return tag(
        'set',
        [...(value as Set<unknown>)].map((item, member) => at({ member }, item)),
      )
    }
    if (prototype === Date.prototype) {
      const time = (value as Date).getTime()
      return tag('date', Number.isNaN(time) ? null : time)
    }
    if (prototype === ArrayBuffer.prototype) {
      return tag('ArrayBuffer', keep(new Uint8Array(value as ArrayBuffer)))
    }
    throw refused(describe(value))
  }

  function encodeArray(value: readonly unknown[]): unknown {
    let copy: unknown[] | undefined
    // By index, so that the holes of a sparse array are seen.
    for (let index = 0; index < value.length; index++) {
      const before = value[index]
      if (isPlain(before)) continue
      const after = at({ index }, before)
      if (after === before) continue
      copy ??= Array.from(value)
      copy[index] = after
    }
    return copy ?? value
  }

  function encodeEntries(value: object): unknown {
    const symbol = Object.getOwnPropertySymbols(value)[0]
    if (symbol) throw refused(`a key that is a symbol (${symbol.toString()})`)
    if (Object.hasOwn(value, '$')) return tag('object', encodePairs(value))
    let copy: object | undefined
    for (const key of Object.keys(value)) {
      const before = read(value, key)
      if (isPlain(before)) continue
      const after = at({ key }, before)
      if (after === before) continue
      copy ??= { ...value }
      define(copy, key, after)
    }
    return copy ?? value
  }

  function encodePairs(value: object): [string, unknown][] {
    return Object.keys(value).map((key) => [key, at({ key }, read(value, key))])
  }

  function encodeView(value: ArrayBufferView): unknown {
    const kind = Reflect.get(value, Symbol.toStringTag) ?? 'DataView'
    const isKnown = typeof kind === 'string' && typedArrays.has(kind)
    if (!isKnown || !(value.buffer instanceof ArrayBuffer)) throw refused(describe(value))
    return tag(kind, keep(new Uint8Array(value.buffer, value.byteOffset, value.byteLength)))
  }

  function keep(bytes: Uint8Array): number {
    return buffers.push(bytes) - 1
  }

  function at(step: Step, value: unknown): unknown {
    path.push(step)
    const encoded = encode(value)
    path.pop()
    return encoded
  }

  function refused(what: string): ChapkitError {
    return new ChapkitError(
      'validation-failed',
      `${nameOf(path)}: ${what} cannot be stored; return plain data or give the runner save/load`,
    )
  }
}

/** What JSON says as it is. */
function isPlain(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
  return typeof value === 'string' || typeof value === 'boolean' || value === null
}

function tag(kind: string, payload: unknown): { $: [string, unknown] } {
  return { $: [kind, payload] }
}

function read(value: object, key: string): unknown {
  return (value as Record<string, unknown>)[key]
}

function describe(value: object): string {
  if (value instanceof Promise) return 'a promise (is an `await` missing?)'
  const maker: unknown = Reflect.get(value, 'constructor')
  const name = typeof maker === 'function' && maker.name ? maker.name : 'class instance'
  return `${/^[aeiou]/i.test(name) ? 'an' : 'a'} ${name}`
}

/** A path as it would be typed: `model.trees[3].predict`. */
function nameOf(path: readonly Step[]): string {
  return `model${path.map(nameOfStep).join('')}`
}

function nameOfStep(step: Step): string {
  if ('index' in step) return `[${step.index}]`
  if ('member' in step) return `.values()[${step.member}]`
  if ('entry' in step) {
    return typeof step.entry === 'string' ? `.get(${JSON.stringify(step.entry)})` : '.get(…)'
  }
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(step.key)
    ? `.${step.key}`
    : `[${JSON.stringify(step.key)}]`
}

function fromStorable(rest: Buffer): unknown {
  const end = rest.indexOf(10)
  const head: unknown = JSON.parse(`{${rest.toString('utf8', 0, end === -1 ? rest.length : end)}`)
  const { buffers: lengths, value } = head as { buffers: unknown; value: unknown }
  const buffers = cut(end === -1 ? rest.subarray(rest.length) : rest.subarray(end + 1), lengths)
  return decode(value)

  // What JSON.parse made belongs to us: plain containers are filled in place.
  function decode(node: unknown): unknown {
    if (typeof node !== 'object' || node === null) return node
    if (Array.isArray(node)) {
      for (let index = 0; index < node.length; index++) {
        const item: unknown = node[index]
        if (typeof item === 'object' && item !== null) node[index] = decode(item)
      }
      return node
    }
    if (Object.hasOwn(node, '$')) return decodeTag(Reflect.get(node, '$'))
    for (const key of Object.keys(node)) {
      const item = read(node, key)
      if (typeof item === 'object' && item !== null) define(node, key, decode(item))
    }
    return node
  }

  function decodeTag(content: unknown): unknown {
    const [kind, payload] = listOf(content)
    switch (kind) {
      case 'number':
        return Number(payload)
      case 'undefined':
        return undefined
      case 'bigint':
        return BigInt(String(payload))
      case 'date':
        return new Date(payload === null ? Number.NaN : Number(payload))
      case 'map':
        return new Map(listOf(payload).map(decodePair))
      case 'set':
        return new Set(listOf(payload).map(decode))
      case 'object':
        return fill({}, payload)
      case 'dictionary':
        return fill(Object.create(null) as object, payload)
      case 'ArrayBuffer':
        return bufferOf(payload)
    }
    const TypedArray = typedArrays.get(String(kind))
    if (!TypedArray) throw damaged(`it contains the unknown kind ${JSON.stringify(kind)}`)
    return new TypedArray(bufferOf(payload))
  }

  function fill(target: object, payload: unknown): object {
    for (const pair of listOf(payload)) {
      const [key, item] = decodePair(pair)
      define(target, String(key), item)
    }
    return target
  }

  function decodePair(pair: unknown): [unknown, unknown] {
    const [key, item] = listOf(pair)
    return [decode(key), decode(item)]
  }

  function bufferOf(index: unknown): ArrayBuffer {
    const buffer = buffers[Number(index)]
    if (!buffer) throw damaged('a part of it is missing')
    return buffer
  }
}

/** Each typed array gets memory of its own: aligned, and not holding the whole file. */
function cut(bytes: Uint8Array, lengths: unknown): ArrayBuffer[] {
  let offset = 0
  const buffers = listOf(lengths).map((length) => {
    const end = offset + Number(length)
    if (!(end >= offset && end <= bytes.byteLength)) throw damaged('a part of it is missing')
    const copy = new Uint8Array(end - offset)
    copy.set(bytes.subarray(offset, end))
    offset = end
    return copy.buffer
  })
  if (offset !== bytes.byteLength) throw damaged('there are bytes that belong to nothing')
  return buffers
}

function listOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw damaged('a list was expected')
  return value
}

/** Never `target[key] = item`: for the key `__proto__` that would set the prototype. */
function define(target: object, key: string, item: unknown): void {
  Object.defineProperty(target, key, {
    value: item,
    enumerable: true,
    configurable: true,
    writable: true,
  })
}
