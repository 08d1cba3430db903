// Writes the pages that are made from the product itself into docs/api: the HTTP API, the command line, the builders, the
// public types and the examples. `npm run docs` runs it before the site is built; nothing of it is committed.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { createProgram } from '../../src/cli/program.ts'
import { builderPages } from './builders.ts'
import { commandPages } from './commands.ts'
import { examplePages } from './examples.ts'
import { httpPages } from './http.ts'
import { typesIndex, writeTypes } from './types.ts'

const api = resolve(import.meta.dirname, '../api')

rmSync(api, { recursive: true, force: true })
write('http', await httpPages())
write('commands', commandPages(createProgram()))
write('examples', examplePages())
const types = await writeTypes(join(api, 'types'))
write('types', { 'index.md': typesIndex(types) })
write('builders', builderPages(types))

function write(folder: string, pages: Record<string, string>): void {
  for (const [name, text] of Object.entries(pages)) {
    const file = join(api, folder, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  console.log(`${Object.keys(pages).length} pages in docs/api/${folder}`)
}
