import { extname } from 'node:path'

/** Types of the files that web apps are made of. Of other files a browser is told nothing, and guesses nothing. */
const mediaTypes: Readonly<Record<string, string>> = {
  avif: 'image/avif',
  bmp: 'image/bmp',
  css: 'text/css',
  csv: 'text/csv',
  geojson: 'application/geo+json',
  gif: 'image/gif',
  htm: 'text/html',
  html: 'text/html',
  ico: 'image/x-icon',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  js: 'text/javascript',
  json: 'application/json',
  map: 'application/json',
  md: 'text/markdown',
  mjs: 'text/javascript',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  ogg: 'audio/ogg',
  otf: 'font/otf',
  parquet: 'application/vnd.apache.parquet',
  pdf: 'application/pdf',
  png: 'image/png',
  svg: 'image/svg+xml',
  topojson: 'application/json',
  tsv: 'text/tab-separated-values',
  ttf: 'font/ttf',
  txt: 'text/plain',
  wasm: 'application/wasm',
  wav: 'audio/wav',
  webm: 'video/webm',
  webmanifest: 'application/manifest+json',
  webp: 'image/webp',
  woff: 'font/woff',
  woff2: 'font/woff2',
  xml: 'text/xml',
  zip: 'application/zip',
}

/** The `Content-Type` of a file by its name; texts are UTF-8. */
export function mediaTypeOf(name: string): string {
  const type = mediaTypes[extname(name).slice(1).toLowerCase()] ?? 'application/octet-stream'
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type
}

/** Files that build tools give names with a hash; pages and data are not among them. */
const built = /\.(avif|css|gif|ico|jpe?g|js|map|mjs|otf|png|svg|ttf|wasm|webp|woff2?)$/i

/**
 * Whether a name holds a hash of the content, as build tools write it before the extension: `main.8e3f2a1b.js`,
 * `index-BX3kd9w2.css`, `chunk-4QXZ7M2A.js`. In doubt it does not: such files are kept for a year.
 */
export function hasHash(name: string): boolean {
  const hash = /[.-](\w+)(?:\.\w+){1,2}$/.exec(name)?.[1] ?? ''
  // A word with a year or a number behind it is no hash.
  if (!built.test(name) || !/[0-9][A-Za-z]/.test(hash)) return false
  if (/^[0-9a-f]{8,64}$/.test(hash)) return /[a-f][0-9]/.test(hash)
  if (hash.length !== 8) return false
  return /^[A-Z2-7]+$/.test(hash) || (/[a-z]/.test(hash) && /[A-Z]/.test(hash))
}
