import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { readFromHost } from './from-host.ts'
import { kindsFromHost, limitOfAnswer, limitsFromHost, mostMetrics } from './protocol.ts'

const frame = (kind: keyof typeof kindsFromHost, text: string) => ({
  ...{ kind: kindsFromHost[kind], json: Buffer.from(text), attachment: Buffer.alloc(0) },
})
const metrics = (count: number, name = 'm') =>
  `{${Array.from({ length: count }, (_, at) => `"${name}${at}":${at}`).join(',')}}`
const trained = (values: string) =>
  `{"id":1,"outcome":{"status":"done","result":{"kind":"train","metrics":${values}}},"rss":1,"models":["a"],"ends":false,"isSignaled":false}`
const limits = { metrics: limitsFromHost.metrics.values, answer: limitOfAnswer('train', 1).values }

describe('metrics', () => {
  test('of a run are as many as it may have, in a message of their own and in its answer', () => {
    const said = readFromHost(
      frame('metrics', `{"id":1,"values":${metrics(mostMetrics)}}`),
      limits.metrics,
    )
    expect(said).toMatchObject({ type: 'metrics', values: { m0: 0, m9999: 9999 } })
    const answer = readFromHost(frame('answer', trained(metrics(mostMetrics))), limits.answer)
    expect(answer).toMatchObject({ outcome: { result: { metrics: { m9999: 9999 } } } })
  })

  test.each([
    ['more than there may be', metrics(mostMetrics + 1)],
    ['names that are too long', metrics(1, 'm'.repeat(200))],
    ['numbers that are none', '{"a":1e999}'],
    ['text', '{"a":"1"}'],
    ['null', 'null'],
    ['a list', '[1]'],
  ])('are refused with %s', (_, values) => {
    const said = frame('metrics', `{"id":1,"values":${values}}`)
    expect(() => readFromHost(said, limits.metrics)).toThrow(
      'wrong at `metrics.values`: expected at most 10000 finite numbers',
    )
  })

  test('that are far too many are not even parsed, which would hold up everybody', () => {
    const parse = vi.spyOn(JSON, 'parse')
    onTestFinished(() => parse.mockRestore())
    const values = metrics(20_000)
    for (const said of [
      frame('metrics', `{"id":1,"values":${values}}`),
      frame('answer', trained(values)),
    ])
      expect(() => readFromHost(said, limits.metrics)).toThrow(/with more than 10200 values/)
    expect(parse).not.toHaveBeenCalled()
  })
})
