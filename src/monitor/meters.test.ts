import fc from 'fast-check'
import { Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { toText } from './exposition.ts'
import { createMeters } from './meters.ts'
import { families } from './schema.ts'

const name = 'http_request_duration_seconds'

test('a histogram says what that of prom-client says', async () => {
  const { help, labels, buckets } = families[name]
  const value = fc.oneof(
    fc.double({ min: 0, max: 20, noNaN: true }),
    fc.constantFrom(...buckets, 0, 11),
  )
  const observation = fc.record({
    method: fc.constantFrom('GET', 'POST'),
    route: fc.constantFrom('/a', '/b"\\', '/c\n'),
    status: fc.constantFrom('200', '404'),
    value,
  })
  await fc.assert(
    fc.asyncProperty(fc.array(observation, { minLength: 1, maxLength: 40 }), async (seen) => {
      const registry = new Registry()
      const theirs = new Histogram({
        name,
        help,
        labelNames: [...labels],
        buckets: [...buckets],
        registers: [registry],
      })
      const ours = createMeters()
      for (const { method, route, status, value } of seen) {
        theirs.observe({ method, route, status }, value)
        ours.observe(name, [method, route, status], value)
      }
      expect(inOrder(await toText(ours))).toEqual(inOrder(await registry.metrics()))
    }),
  )
})

/** Lines with their labels in order: neither lines nor labels have one of their own. */
function inOrder(text: string): string[] {
  return text
    .split('\n')
    .map((line) =>
      line.replace(
        /\{(.*)\}/,
        (_, inner: string) => `{${inner.match(/\w+="(?:[^"\\]|\\.)*"/g)?.sort()}}`,
      ),
    )
    .sort()
}

test('a gauge whose things are gone says nothing of them', () => {
  const meters = createMeters()
  meters.set('chapkit_jobs', ['train', 'pending'], 2)
  meters.clear('chapkit_jobs')
  meters.set('chapkit_jobs', ['predict', 'running'], 1)

  expect(meters.read()).toEqual([
    {
      name: 'chapkit_jobs',
      samples: [{ name: 'chapkit_jobs', labels: { type: 'predict', state: 'running' }, value: 1 }],
    },
  ])
})
