import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { MLServiceBuilder } from './builder.ts'
import { ShellModelRunner } from './script/runner.ts'
import { createTestService } from './testing/test-service.ts'

test('the commands of a model run in a copy of the folder of its service file, in a test too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-definition-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'train.sh'), 'echo trained')
  const service = new MLServiceBuilder({
    module: pathToFileURL(join(folder, 'service.ts')).href,
    info: { id: 'scripts', display_name: 'Scripts', period_type: 'monthly' },
    runner: new ShellModelRunner({ trainCommand: 'sh train.sh', predictCommand: 'true' }),
  }).build()
  await using run = await createTestService(service)
  const config = await run.request('POST', '/api/v1/configs', { name: 'one', data: {} })
  const data = { columns: ['time_period', 'location'], data: [['2024-01', 'north']] }
  const body = { config_id: config.json.id, data }
  const { json } = await run.request('POST', '/api/v1/ml/$train', body)
  expect(await run.waitForJob(json.job_id)).toMatchObject({ status: 'completed', error: null })
})
