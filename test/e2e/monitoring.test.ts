import { expect, test } from 'vitest'
import { readMetrics } from '../metrics.ts'
import { stage, startService, temporaryFolder, until } from './harness.ts'

test('hosts, their deaths and the runs that follow are counted, and what they take is measured', async () => {
  const service = await startService({
    dataDir: temporaryFolder(),
    env: { CHAPKIT_PREDICT_CONCURRENCY: '1' },
  })
  const scrape = async () => readMetrics((await service.request('GET', '/metrics')).text)
  const held = stage()
  const holding = await service.train(await service.config('hold', held.folder))
  await held.began()

  const busy = await scrape()
  expect(busy.get('chapkit_hosts{state="busy"}')).toBe(1)
  expect(busy.get('chapkit_hosts_limit')).toBe(2)
  expect(busy.get('chapkit_host_resident_memory_bytes')).toBeGreaterThan(10e6)
  expect(busy.get('chapkit_jobs{type="train",state="running"}')).toBe(1)
  held.release()
  await service.reaches(holding.json.job_id, 'completed')

  const { json } = await service.train(await service.config('exit', stage().folder))
  await service.reaches(json.job_id, 'failed')

  const series = await until('the last host is gone', async () => {
    const now = await scrape()
    return now.get('chapkit_host_restarts_total') === 3 && now
  })
  expect(series.get('chapkit_job_host_deaths_total{type="train"}')).toBe(3)
  expect(series.get('chapkit_job_attempts_total{type="train"}')).toBe(4)
  expect(series.get('chapkit_job_retries_total{type="train"}')).toBe(2)
  expect(series.get('chapkit_job_run_seconds_count{type="train",state="pending"}')).toBe(2)
  expect(series.get('chapkit_jobs_finished_total{type="train",state="failed"}')).toBe(1)
})
