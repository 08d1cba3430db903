import { DataFrame, type FrameJson } from 'chapkit'

/** What a job that has ended left behind. */
export interface Finished {
  jobId: string
  artifactId: string
}

export type OnProgress = (fraction: number | null, message: string | null) => void

export type Client = ReturnType<typeof createClient>

/** The few calls of the service's HTTP API that the example needs, with nothing but `fetch`. */
export function createClient(url: string, signal: AbortSignal) {
  async function call(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Response> {
    const response = await fetch(url + path, {
      method,
      signal,
      ...(body !== undefined && {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    })
    if (response.ok) return response
    const text = await response.text()
    throw new Error(`${method} ${path} answered ${response.status}: ${detailOf(text)}`)
  }

  const get = async <Answer>(path: string) => (await (await call('GET', path)).json()) as Answer
  const post = async <Answer>(path: string, body: unknown) =>
    (await (await call('POST', path, body)).json()) as Answer

  /** Follows a job to its end over server-sent events; a stream that breaks off is opened again. */
  async function finish(submitted: Submitted, onProgress: OnProgress): Promise<Finished> {
    for (;;) {
      const path = `/api/v1/jobs/${submitted.job_id}/$stream?poll_interval=1`
      for await (const job of readEvents<Job>(await call('GET', path))) {
        if (job.progress) onProgress(job.progress.fraction, job.progress.message)
        if (job.status === 'completed') {
          return { jobId: submitted.job_id, artifactId: submitted.artifact_id }
        }
        if (job.status === 'failed') throw new Error(`The ${job.type} job failed: ${job.error}`)
        if (job.status === 'canceled') throw new Error(`The ${job.type} job was canceled`)
      }
    }
  }

  return {
    /** The config of that name, made with `data` where there is none yet. */
    async useConfig(name: string, data: Record<string, unknown>): Promise<string> {
      const configs = await get<{ id: string; name: string }[]>('/api/v1/configs')
      const existing = configs.find((config) => config.name === name)
      return (existing ?? (await post<{ id: string }>('/api/v1/configs', { name, data }))).id
    },

    async train(configId: string, data: DataFrame, onProgress: OnProgress): Promise<Finished> {
      const body = { config_id: configId, data: data.toJson() }
      return finish(await post<Submitted>('/api/v1/ml/$train', body), onProgress)
    },

    async predict(
      modelId: string,
      historic: DataFrame,
      future: DataFrame,
      onProgress: OnProgress,
    ): Promise<Finished> {
      const body = { artifact_id: modelId, historic: historic.toJson(), future: future.toJson() }
      return finish(await post<Submitted>('/api/v1/ml/$predict', body), onProgress)
    },

    async readPrediction(artifactId: string): Promise<DataFrame> {
      const artifact = await get<{ data: { content: FrameJson } }>(
        `/api/v1/artifacts/${artifactId}`,
      )
      return DataFrame.fromJson(artifact.data.content)
    },
  }
}

interface Submitted {
  job_id: string
  artifact_id: string
}

interface Job {
  type: string
  status: 'pending' | 'running' | 'completed' | 'failed' | 'canceled'
  progress: { fraction: number | null; message: string | null } | null
  error: string | null
}

/** The JSON of each event of a stream; comments, which keep the connection alive, are skipped. */
async function* readEvents<Event>(response: Response): AsyncGenerator<Event> {
  let text = ''
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const events = (text + chunk).split(/\r?\n\r?\n/)
    text = events.pop() ?? ''
    for (const event of events) {
      const data = event.split(/\r?\n/).filter((line) => line.startsWith('data:'))
      if (data.length > 0) yield JSON.parse(data.map((line) => line.slice(5)).join('\n')) as Event
    }
  }
}

/** The `detail` of a problem document (RFC 9457), or whatever the answer says. */
function detailOf(text: string): string {
  try {
    const { detail, title } = JSON.parse(text) as { detail?: string; title?: string }
    return detail ?? title ?? text
  } catch {
    return text.slice(0, 200)
  }
}
