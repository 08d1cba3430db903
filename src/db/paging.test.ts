import { expect, test } from 'vitest'
import { keyPosition } from './paging.ts'

test('an id of the far future lies behind everything, though the text of its time would not', async () => {
  const id = '7ZZZZZZZZZZZZZZZZZZZZZZZZZ'
  const { at } = await keyPosition(id, async () => undefined)
  expect(at).toBe('9999-12-31T23:59:59.999Z')
})
