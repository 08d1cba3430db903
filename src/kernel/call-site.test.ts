import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

test('a model that will run inside the service is warned of with the line that built it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-site-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const chapkit = JSON.stringify(resolve(import.meta.dirname, '../index.ts'))
  const file = join(folder, 'mine.ts')
  writeFileSync(
    file,
    `import { FunctionalModelRunner, MLServiceBuilder } from ${chapkit}
const runner = new FunctionalModelRunner({ onTrain: () => 1, onPredict: ({ future }) => future })
const info = { id: 'mine', display_name: 'Mine', period_type: 'monthly' } as const
const service = new MLServiceBuilder({ info, runner }).build()
await service.start({ databaseUrl: ':memory:', logFormat: 'json' })
await service.close()
`,
  )
  const { stdout } = spawnSync(process.execPath, ['--conditions=chapkit-source', file], {
    encoding: 'utf8',
  })
  expect(stdout).toContain('give the builder at mine.ts:4 `module: import.meta.url`')
})
