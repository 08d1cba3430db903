import type { IncomingMessage } from 'node:http'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readTarget } from './target.ts'

function read(url: string): { url: string; host: string | undefined } {
  const request = { url, headers: { host: 'header' } } as unknown as IncomingMessage
  readTarget(request)
  return { url: request.url as string, host: request.headers.host }
}

test.each([
  ['/api/v1/configs/%24schema', '/api/v1/configs/$schema'],
  ['/%61%70%69', '/api'],
  ['/%7euser%2Dname', '/~user-name'],
  ['/a%21%27%28%29%2a%2B%2c%3B%3d%3A%40%26', "/a!'()*+,;=:@&"],
  ['/a%2fb%5cc', '/a%2Fb%5Cc'],
  ['/%2524', '/%2524'],
  ['/%3f%23%25%20%22%3c%00%c3%a9', '/%3F%23%25%20%22%3C%00%C3%A9'],
  ['/%zz%2', '/%zz%2'],
  ['/%24?a=%24&b=%2f', '/$?a=%24&b=%2f'],
  ['/a/../b//c', '/a/../b//c'],
  ['//evil.example/a', '//evil.example/a'],
])('the path of %s is %s', (target, path) => {
  expect(read(target)).toEqual({ url: path, host: 'header' })
})

test.each([
  ['http://localhost:8000/api?a=b', '/api?a=b', 'localhost:8000'],
  ['HTTPS://Example.org', '/', 'Example.org'],
  ['http://[::1]:80?a', '/?a', '[::1]:80'],
  ['http://a.example/%24x/../y', '/$x/../y', 'a.example'],
])('%s is %s of its host', (target, url, host) => {
  expect(read(target)).toEqual({ url, host })
})

test.each([
  '*',
  'health',
  'ftp://a/b',
  'http:///a',
  'http://a@b/c',
  'http://',
  'a.example:443',
  '',
])('%j stays as it is', (target) => {
  expect(read(target)).toEqual({ url: target, host: 'header' })
})

const unreserved = fc.constantFrom(
  ...`ABCXYZabcxyz0189-._~!$&'()*+,;=:@`.split('').map((character) => character),
)
const encode = (character: string, isLower: boolean) => {
  const hex = character.charCodeAt(0).toString(16).padStart(2, '0')
  return `%${isLower ? hex : hex.toUpperCase()}`
}

test('a path is the same however many of its characters are encoded, and in whatever case', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(unreserved, fc.constantFrom('plain', 'lower', 'upper'))),
      fc.constantFrom('', '?q=%24%2F'),
      (characters, query) => {
        const plain = characters.map(([character]) => character).join('')
        const spelled = characters
          .map(([character, how]) =>
            how === 'plain' ? character : encode(character, how === 'lower'),
          )
          .join('')
        expect(read(`/${spelled}${query}`).url).toBe(`/${plain}${query}`)
      },
    ),
    { numRuns: 10_000 },
  )
})

test('reading a target again changes nothing, and its parts stay the same', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          unreserved,
          fc.constantFrom('%', '%2', '%25', '%2f', '%5C', '/', '?', '%3F', '24'),
        ),
      ),
      (parts) => {
        const once = read(`/${parts.join('')}`).url
        expect(read(once).url).toBe(once)
        const slashes = (text: string) => text.split('?')[0]!.split('/').length
        expect(slashes(once)).toBe(slashes(`/${parts.join('')}`))
      },
    ),
    { numRuns: 10_000 },
  )
})
