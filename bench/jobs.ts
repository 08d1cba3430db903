import { type Client, completed, createClient, createConfig, submit, train } from './client.ts'
import { futureFrame, smallFrame } from './frames.ts'
import { median } from './measure.ts'

/** A server with the job routes, ours or a limit, and what is needed to use it. */
export interface JobServer {
  client: Client
  configId: string
  artifactId: string
}

export async function openJobServer(url: string, isOurs: boolean): Promise<JobServer> {
  const client = createClient(url)
  const configId = isOurs ? await createConfig(client) : 'none'
  const artifactId = await train(client, configId, smallFrame())
  const server = { client, configId, artifactId }
  // Compiled code on both sides before anything counts.
  await trainings(server, 30)
  await predictions(server, 60)
  await burst(server)
  return server
}

const predictBody = ({ artifactId }: JobServer) => ({
  artifact_id: artifactId,
  historic: smallFrame(),
  future: futureFrame(),
})

/** Middle of the time from submit to completed, of trainings one after the other. */
export async function trainings(server: JobServer, count: number): Promise<number> {
  const { client, configId } = server
  const times: number[] = []
  for (let at = 0; at < count; at++) {
    const body = { config_id: configId, data: smallFrame() }
    const start = performance.now()
    await completed(client, (await submit(client, 'train', body)).job_id)
    times.push(performance.now() - start)
  }
  return median(times)
}

/** The same of predictions whose result is read. */
export async function predictions(server: JobServer, count: number): Promise<number> {
  const { client } = server
  const times: number[] = []
  for (let at = 0; at < count; at++) {
    const body = predictBody(server)
    const start = performance.now()
    const { job_id, artifact_id } = await submit(client, 'predict', body)
    await completed(client, job_id)
    await client.send('GET', `/api/v1/artifacts/${artifact_id}`)
    times.push(performance.now() - start)
  }
  return median(times)
}

/** Predictions per second when one client submits 50, one after the other, and then asks for each until it is there. */
export async function burst(server: JobServer, count = 50): Promise<number> {
  const { client } = server
  const bodies = Array.from({ length: count }, () =>
    Buffer.from(JSON.stringify(predictBody(server))),
  )
  const ids: string[] = []
  const start = performance.now()
  for (const body of bodies) ids.push((await submit(client, 'predict', body)).job_id)
  for (const id of ids) await completed(client, id)
  return count / ((performance.now() - start) / 1000)
}

/** Predictions per second of 8 clients that submit, poll, and submit the next. */
export async function eightClients(server: JobServer, seconds: number): Promise<number> {
  const { client } = server
  const start = performance.now()
  const end = start + seconds * 1000
  let count = 0
  const one = async () => {
    while (performance.now() < end) {
      await completed(client, (await submit(client, 'predict', predictBody(server))).job_id)
      count++
    }
  }
  await Promise.all(Array.from({ length: 8 }, one))
  return count / ((performance.now() - start) / 1000)
}
