import { expect, test } from 'vitest'
import { toPage, toPageRequest } from './page.ts'

const id = '01M82EBCXSJH55R1P2FPAESF2G'

test.each([
  [{}, { kind: 'all' }],
  [{ page: 2 }, { kind: 'all' }],
  [{ size: 5 }, { kind: 'all' }],
  [
    { page: 2, size: 5 },
    { kind: 'number', page: 2, size: 5 },
  ],
  [{ after: id }, { kind: 'key', after: id, size: 100 }],
  [
    { after: id, size: 7 },
    { kind: 'key', after: id, size: 7 },
  ],
])('the query %j asks for %j', (query, request) => {
  expect(toPageRequest(query)).toEqual(request)
})

test('a page by key begins behind an id, and is not numbered', () => {
  const refused = expect.objectContaining({ code: 'validation-failed' })
  expect(() => toPageRequest({ after: id, page: 1 })).toThrow(refused)
})

test.each([
  [0, 10, 0],
  [1, 10, 1],
  [10, 10, 1],
  [11, 10, 2],
])('%i items in pages of %i are %i pages', (total, size, pages) => {
  expect(toPage([], total, 1, size)).toEqual({ items: [], total, page: 1, size, pages })
})
