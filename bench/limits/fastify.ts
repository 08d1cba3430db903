import { randomUUID } from 'node:crypto'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import fastify from 'fastify'
import { openCommits } from './commits.ts'

/*
 * The same routes on bare Fastify: no checks, no model hosts, no log. Jobs are done when they are submitted and lie in
 * memory; with a folder as argument they lie in SQLite, with the three commits that no durable job can do without.
 */
const [folder] = process.argv.slice(2)

interface Predict {
  historic?: unknown
  future?: unknown
  data?: unknown
}

const app = fastify({ bodyLimit: 64 * 1024 * 1024 })
const jobs = new Map<string, string>()
const artifacts = new Map<string, unknown>()
const commits = folder === undefined ? null : openCommits(folder)

app.get('/health', async () => ({
  status: 'healthy',
  checks: { database: { state: 'healthy' } },
}))
app.post<{ Body: object }>('/api/v1/configs', async (request, reply) =>
  reply.code(201).send(Object.assign({ id: randomUUID() }, request.body)),
)

for (const kind of ['train', 'predict']) {
  app.post<{ Body: Predict }>(`/api/v1/ml/$${kind}`, async (request, reply) => {
    const id = randomUUID()
    const { historic, future, data } = request.body
    if (commits) {
      commits.submit(id, JSON.stringify(historic ?? data), JSON.stringify(future ?? null))
      // Behind the answer, as a dispatcher would.
      setImmediate(() => {
        commits.claim(id)
        commits.complete(id, JSON.stringify(future ?? data))
      })
    } else {
      jobs.set(id, 'completed')
      artifacts.set(id, future ?? data)
    }
    return reply.code(202).send({ job_id: id, artifact_id: id, message: `${kind} job submitted` })
  })
}

app.get<{ Params: { id: string } }>('/api/v1/jobs/:id', async (request) => {
  const { id } = request.params
  const status = commits ? commits.status(id) : jobs.get(id)
  return { id, type: 'predict', status, error: null, artifact_id: id, progress: null }
})
app.get<{ Params: { id: string } }>('/api/v1/artifacts/:id', async (request, reply) => {
  const { id } = request.params
  if (!commits) return { id, data: { type: 'ml_prediction', content: artifacts.get(id) } }
  reply.type('application/json')
  return `{"id":"${id}","data":{"type":"ml_prediction","content":${commits.result(id)}}}`
})

const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
app.get('/bench/delay', async () => {
  const longest = delay.max / 1e6 - 1
  delay.reset()
  return { longest }
})

console.error(await app.listen({ host: '127.0.0.1', port: 0 }))
process.on('SIGTERM', () => process.exit(0))
