// Writes the Postman collections of the examples, docs/postman/*.json: `node scripts/postman.ts`.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { collections } from './postman-examples.ts'

const root = join(import.meta.dirname, '..')
mkdirSync(join(root, 'docs/postman'), { recursive: true })
for (const { name, source } of collections) {
  const { status } = spawnSync(
    process.execPath,
    [
      ...['--conditions=chapkit-source', 'src/cli/bin.ts', 'openapi', source, '--postman'],
      ...['--output', `docs/postman/${name}.json`],
    ],
    { cwd: root, stdio: 'inherit' },
  )
  if (status !== 0) process.exit(1)
}
