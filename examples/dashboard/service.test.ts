import { createTestService } from 'chapkit/testing'
import { expect, test } from 'vitest'
import service from './service.ts'

test('the page, and everything that it loads, is answered below its prefix', async () => {
  await using run = await createTestService(service)
  const page = await run.request('GET', '/dashboard/')
  expect(page.status).toBe(200)
  const loaded = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path)
  expect(loaded).toEqual(['style.css', 'main.js'])
  for (const path of loaded) {
    expect((await run.request('GET', `/dashboard/${path}`)).status).toBe(200)
  }
  // Nothing in the page would be stopped by the policy that it comes with.
  expect(page.headers['content-security-policy']).toContain("script-src 'self'")
  expect(page.text).not.toMatch(/<script(?![^>]* src=)|\son\w+=/)
})

test('the address that its script asks leads to the jobs', async () => {
  await using run = await createTestService(service)
  const { text } = await run.request('GET', '/dashboard/main.js')
  const asked = /fetch\('([^']+)'\)/.exec(text)![1]!
  const { pathname, search } = new URL(asked, 'http://service.example/dashboard/')

  const config = await run.request('POST', '/api/v1/configs', { name: 'a', data: {} })
  const sample = await run.request('GET', '/api/v1/ml/$generate-sample-data?num_periods=12')
  const training = await run.request('POST', '/api/v1/ml/$train', {
    config_id: config.json.id,
    data: sample.json.data,
  })
  await run.waitForJob(training.json.job_id)

  const { json } = await run.request('GET', `${pathname}${search}`)
  expect(json.items).toMatchObject([
    { id: training.json.job_id, type: expect.any(String), status: 'completed' },
  ])
  expect(json.items[0]).toHaveProperty('submitted_at')
})
