import { createClient } from 'chapkit/client'
import { expect, test } from 'vitest'
import { stage, startService, temporaryFolder } from './harness.ts'

const data = [
  { time_period: '2024-01', location: 'oslo', disease_cases: 10 },
  { time_period: '2024-02', location: 'oslo', disease_cases: 20 },
]

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'a client that waits for a training gets its model, though the service is ended by %s and started again',
  async (signal) => {
    const { folder, began, release } = stage()
    // It is not waited for: a stop gives the training back to the queue.
    const env = { CHAPKIT_DRAIN_SECONDS: '0' }
    const first = await startService({ dataDir: temporaryFolder(), env })
    const client = createClient({ url: first.url })
    const config_id = await first.config('holdOnce', folder)
    const states: string[] = []

    const trained = client.ml.trainAndWait(
      { config_id, data },
      { onProgress: ({ status }) => states.push(status), onLog: () => {} },
    )
    await began()
    first.signal(signal)
    await first.exited
    await startService({ ...first.options, env: { PORT: new URL(first.url).port } })
    release()

    const { job, artifact_id } = await trained
    expect(job.status).toBe('completed')
    expect(states.filter((status) => status === 'completed')).toHaveLength(1)
    expect((await client.artifacts.metadata(artifact_id)).status).toBe('success')
  },
)

test('a creation whose answer was lost with the service is not made twice', async () => {
  const first = await startService({ dataDir: temporaryFolder() })
  let lost = false
  const client = createClient({
    url: first.url,
    async fetch(input, init) {
      const response = await fetch(input, init)
      if (lost || init?.method !== 'POST') return response
      lost = true
      await first.kill()
      await startService({ ...first.options, env: { PORT: new URL(first.url).port } })
      throw new TypeError('fetch failed')
    },
  })
  const data = { behaviour: 'mean', folder: '/nowhere' }
  const made = await client.configs.create({ name: 'once', data })

  expect(lost).toBe(true)
  expect(await client.configs.list()).toEqual([made])
})
