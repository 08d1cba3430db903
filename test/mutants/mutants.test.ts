import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { countOf, mutants } from './mutants.ts'

const root = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

test.each(mutants)('what $name changes is in its file exactly once', ({ file, text, by }) => {
  expect(countOf(text, read(file))).toBe(1)
  expect(by).not.toBe(text)
})

test('mutants have names of their own', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
})
