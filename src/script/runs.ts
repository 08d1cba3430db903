import { createReadStream } from 'node:fs'
import { constants, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Artifacts } from '../artifact/artifacts.ts'
import { keepManifest, manifestBytes, onTop, readManifest, zipSize } from '../artifact/manifest.ts'
import { frameMediaType, type ManifestEntry, workspaceMediaType } from '../artifact/schema.ts'
import type { ArtifactRow } from '../artifact/store.ts'
import type { Blobs, StagedBlob } from '../blob/blobs.ts'
import type { Queries } from '../db/tables.ts'
import type { JobContext, JobHandler, JobOutcome } from '../job/dispatcher.ts'
import type { Claim } from '../job/jobs.ts'
import type { Clock } from '../kernel/clock.ts'
import { atHorizon, toHorizonLineage } from '../ml/horizon.ts'
import type { PredictPayload, TrainPayload } from '../ml/ml.ts'
import { configFile, csvEntry, fileEntry } from '../ml/model-file.ts'
import type { FrameFacts } from '../ml/run.ts'
import type { Command, FilePlaceholder, Scripts } from '../ml/runner.ts'
import { createTrainings, runTimes } from '../ml/trainings.ts'
import { toArguments } from './command.ts'
import { configFileBytes } from './config-file.ts'
import { FilesError, type FoundFile, type PlacedFile } from './files.ts'
import type { FilesWorker } from './files-worker.ts'
import type { Filling, Folders, RunFolder } from './folders.ts'
import { runInFolder } from './in-folder.ts'
import { handled, tell, unfinished } from './outcome.ts'
import type { CommandEnd } from './process.ts'
import type { createProject } from './project.ts'

export interface ScriptRunsDeps {
  scripts: Scripts
  /** Folder of the scripts. */
  root: string
  project: ReturnType<typeof createProject>
  folders: Folders
  worker: FilesWorker
  artifacts: Artifacts
  blobs: Blobs
  /** Environment of the service. */
  environment: Readonly<Record<string, string | undefined>>
  covariates: readonly string[]
  version: string
  now: Clock
  newId: () => string
  /** Links a trained model to its config, in the transaction that stores it. */
  link: (tx: Queries, configId: string, artifactId: string) => Promise<void>
}

const dataFile = 'data.csv'
const historicFile = 'historic.csv'
const futureFile = 'future.csv'
const outputFile = 'predictions.csv'
const geoFile = 'geo.json'

/** What a prediction does not take over from the training: its own inputs, and an output that might be taken for its own. */
const notInherited = [configFile, historicFile, futureFile, outputFile]

/** Bytes that the folder of a run may hold when it ends. */
const maximumBytes = 4 * 1024 ** 3
/** How many trainings are remembered for the predictions to come. */
const trainingsKept = 20
/** Blobs that are read in one go: small ones come from the database, and others wait for their turn meanwhile. */
const lookups = 16

interface Training {
  /** Hash of its manifest. */
  hash: string
  config: Record<string, unknown>
  configId: string
  entries: ManifestEntry[]
  filling: Filling
}

/** A file of a run that is known without reading it: what was written before the command began. */
interface KnownFile {
  entry: ManifestEntry
  /** To be stored; a frame is already. */
  staged: StagedBlob | null
}

/** What a run leaves. */
interface Workspace {
  /** Its manifest. */
  staged: StagedBlob
  /** Size of it as a zip. */
  size: number
  /** Further blobs that it is made of. */
  keeps: StagedBlob[]
  refers: string[]
}

/** How train and predict jobs of a model made of commands are run: inputs as files, one process, the folder as the result. */
export function createScriptRuns(deps: ScriptRunsDeps): { train: JobHandler; predict: JobHandler } {
  const { scripts, root, project, folders, worker, artifacts, blobs, covariates } = deps
  const { now, newId, version } = deps

  const isAdapted = Object.keys(scripts.adapters).length > 0

  /** Brings a frame into the folder of a run. One with further columns is a file like others: no blob is its frame. */
  async function placeFrame(folder: RunFolder, path: string, hash: string, context: JobContext) {
    const frame = await blobs.source(hash)
    const { file, facts, missing } = await worker.run('placeFrame', {
      ...{ folder: folder.work, path, frame, covariates, adapters: scripts.adapters },
    })
    folder.placed.set(path, file)
    for (const name of missing) context.log('log', `${path} has no column ${name} for an adapter`)
    const known: KnownFile = isAdapted
      ? await stageFile(folder, file)
      : { entry: csvEntry(path, hash, facts), staged: null }
    return { facts, known }
  }

  /** Brings bytes into the folder of a run, and into the store. */
  async function placeBytes(folder: RunFolder, path: string, bytes: Uint8Array) {
    const staged = await blobs.stage(bytes)
    await placeFiles(folder, [{ path, mode: 0o644, source: { bytes } }])
    return { entry: fileEntry(path, staged), staged } as KnownFile
  }

  async function placeGeo(folder: RunFolder, hash: string | null): Promise<KnownFile[]> {
    if (hash === null) return []
    const bytes = await blobs.read(hash)
    await placeFiles(folder, [{ path: geoFile, mode: 0o644, source: { bytes } }])
    return [{ entry: fileEntry(geoFile, { hash, ...(await blobs.facts(hash)) }), staged: null }]
  }

  async function placeFiles(folder: RunFolder, files: readonly PlacedFile[]): Promise<void> {
    const placed = await worker.run('place', { folder: folder.work, files })
    for (const file of placed) folder.placed.set(file.path, file)
  }

  /** Runs one of the commands in its folder. */
  const run = (
    command: Command,
    files: Partial<Record<FilePlaceholder, string>>,
    folder: RunFolder,
    context: JobContext,
  ): Promise<CommandEnd> =>
    runInFolder({
      words: toArguments(command, files),
      options: scripts.environment,
      limits: scripts.limits,
      timeoutMs: scripts.timeoutMs,
      ...{ folder, root, worker, context, service: deps.environment },
    })

  /** Stores what a run has left, as a layer on the files that it began with. */
  async function collect(
    folder: RunFolder,
    base: { hash: string; entries: readonly ManifestEntry[] },
    known: readonly KnownFile[],
    context: JobContext,
  ): Promise<Workspace> {
    const { found, links } = await worker.run('listRun', { folder: folder.work, maximumBytes })
    for (const path of links) context.log('log', `${path} is a link and is not kept`)
    const below = new Map(base.entries.map((entry) => [entry.path, entry]))
    const own = new Map(known.map((file) => [file.entry.path, file]))
    const layer: KnownFile[] = []
    for (const file of found) {
      const isUntouched = folder.placed.get(file.path)?.stamp === file.stamp
      const knownFile = own.get(file.path)
      if (isUntouched && knownFile) layer.push(knownFile)
      else if (!isUntouched || !below.has(file.path)) layer.push(await stageFile(folder, file))
    }
    const entries = layer.map(({ entry }) => entry)
    const there = new Set(found.map(({ path }) => path))
    const without = [...below.keys()].filter((path) => !there.has(path))
    const staged = await blobs.stage(manifestBytes({ base: base.hash, without, entries }))
    const keeps = layer.flatMap((file) => (file.staged ? [file.staged] : []))
    return {
      staged,
      size: zipSize(onTop(base.entries, { without, entries })),
      keeps,
      refers: [base.hash, ...entries.map(({ sha256 }) => sha256)].filter(
        (hash) => !keeps.some((blob) => blob.hash === hash),
      ),
    }
  }

  async function stageFile(folder: RunFolder, { path, mode }: FoundFile): Promise<KnownFile> {
    // Not through a link that has taken its place meanwhile.
    const handle = await open(
      join(folder.work, path),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    )
    const staged = await blobs.stage(
      createReadStream('', { fd: handle, highWaterMark: 256 * 1024 }),
    )
    return { entry: { ...fileEntry(path, staged), mode }, staged }
  }

  interface Frame {
    configId: string
    startedAt: number
    end: CommandEnd
    status: 'success' | 'failed'
  }

  const metadata = ({ configId, startedAt, end, status }: Frame) => ({
    status,
    ...runTimes(configId, startedAt, now),
    exit_code: end.exitCode,
    stdout: end.stdout,
    stderr: end.stderr,
  })

  const content = ({ staged, size }: Workspace) => ({
    ...{ staged, kind: 'workspace' as const, type: workspaceMediaType, size },
  })

  const train: JobHandler = (claim, context) =>
    handled(async () => {
      const payload = claim.payload as unknown as TrainPayload
      const startedAt = now()
      context.progress({ fraction: null, message: 'copying the project' })
      return project.use(claim.id, async (stored) => {
        const folder = await folders.take('train', stored.filling)
        try {
          const values = atHorizon(payload.config, payload.horizon)
          const config = await configFileBytes(values, scripts.configFormat)
          const { facts, known: data } = await placeFrame(folder, dataFile, payload.data, context)
          const known = [
            await placeBytes(folder, configFile, config),
            data,
            ...(await placeGeo(folder, payload.geo)),
          ]
          context.progress({ fraction: null, message: 'running the train command' })
          const files = { data_file: dataFile, geo_file: payload.geo === null ? '' : geoFile }
          const end = await run(scripts.train, files, folder, context)
          const early = unfinished(end)
          if (early) return early
          context.progress({ fraction: null, message: 'storing the workspace' })
          const workspace = await collect(folder, stored, known, context)
          return trained({ claim, payload, startedAt, end, workspace, facts, stored })
        } finally {
          void folder.remove()
          folders.prepare('train', stored.filling)
        }
      })
    })

  interface Trained {
    claim: Claim
    payload: TrainPayload
    startedAt: number
    end: CommandEnd
    workspace: Workspace
    facts: FrameFacts
    stored: { hash: string }
  }

  function trained(run: Trained): JobOutcome {
    const { claim, payload, startedAt, end, workspace, facts, stored } = run
    const { configId, config, horizon, geo } = payload
    const status = end.failure === null ? ('success' as const) : ('failed' as const)
    const id = claim.artifactId ?? newId()
    const shared = metadata({ configId, startedAt, end, status })
    const along = async (tx: Queries) => {
      await keepManifest(blobs, tx, workspace.staged.hash, workspace)
      await artifacts.insertMl(tx, {
        id,
        parentId: null,
        type: 'ml_training_workspace',
        metadata: shared,
        content: content(workspace),
        keeps: [],
        refers: [],
        lineage: {
          config_id: configId,
          config,
          ...toHorizonLineage(horizon),
          inputs: { data: payload.data, ...(geo !== null && { geo }) },
          project: stored.hash,
          command: scripts.train.text,
          model: workspace.staged.hash,
          signature: { inputs: { data: facts.fields }, output: null },
          metrics: {},
          chapkit_version: version,
        },
      })
      await deps.link(tx, configId, id)
    }
    if (end.failure === null) return { status: 'completed', along }
    return { status: 'failed', error: tell('The train command', end), traceback: null, along }
  }

  const getTraining = createTrainings(artifacts, readTraining, trainingsKept)

  async function readTraining(row: ArtifactRow): Promise<Training> {
    const { config } = JSON.parse(row.lineage ?? '{}') as { config: Record<string, unknown> }
    const { metadata: made } = JSON.parse(row.data) as { metadata: { config_id: string } }
    const hash = row.content_hash ?? ''
    const entries = await readManifest(blobs, hash)
    const filling = {
      key: hash,
      fill: (by: FilesWorker, folder: string) => fill(by, folder, entries),
    }
    return { hash, config, configId: made.config_id, entries, filling }
  }

  /** Copies a stored workspace into a folder: never a link to what is stored. */
  async function fill(by: FilesWorker, folder: string, entries: readonly ManifestEntry[]) {
    const wanted = entries.filter(({ path }) => !notInherited.includes(path))
    const placed: FoundFile[] = []
    for (let at = 0; at < wanted.length; at += lookups) {
      const files = await Promise.all(
        wanted.slice(at, at + lookups).map(async ({ path, mode, sha256, derive }) => ({
          ...{ path, mode, source: await blobs.source(sha256) },
          ...(derive && { derive }),
        })),
      )
      placed.push(...(await by.run('place', { folder, files }, ownBuffers(files))))
    }
    return placed
  }

  const predict: JobHandler = (claim, context) =>
    handled(async () => {
      const payload = claim.payload as unknown as PredictPayload
      const startedAt = now()
      context.progress({ fraction: null, message: 'copying the workspace' })
      const training = await getTraining(payload.trainingId)
      const folder = await folders.take('predict', training.filling)
      try {
        const values = atHorizon(training.config, payload.horizon)
        const config = await configFileBytes(values, scripts.configFormat)
        const historic = await placeFrame(folder, historicFile, payload.historic, context)
        const future = await placeFrame(folder, futureFile, payload.future, context)
        const known = [
          await placeBytes(folder, configFile, config),
          ...[historic.known, future.known],
          ...(await placeGeo(folder, payload.geo)),
        ]
        context.progress({ fraction: null, message: 'running the predict command' })
        const files = {
          historic_file: historicFile,
          future_file: futureFile,
          output_file: outputFile,
          geo_file: payload.geo === null ? '' : geoFile,
        }
        const end = await run(scripts.predict, files, folder, context)
        const early = unfinished(end)
        if (early) return early
        context.progress({ fraction: null, message: 'storing the prediction' })
        const output = await readOutput(folder, end, payload.future)
        if ('frame' in output)
          for (const warning of output.warnings) context.log('log', `warning: ${warning}`)
        const frame = 'frame' in output ? await blobs.stage(output.frame) : null
        const workspace = await collect(folder, training, known, context)
        const inputs = { historic: historic.facts, future: future.facts }
        return predicted({
          claim,
          payload,
          startedAt,
          end,
          training,
          workspace,
          output,
          frame,
          inputs,
        })
      } finally {
        void folder.remove()
        folders.prepare('predict', training.filling)
      }
    })

  type Output = { frame: Uint8Array; facts: FrameFacts; warnings: string[] } | { failure: string }

  /** The prediction that a command has written, or why there is none. */
  async function readOutput(folder: RunFolder, end: CommandEnd, future: string): Promise<Output> {
    if (end.failure !== null) return { failure: tell('The predict command', end) }
    try {
      return await worker.run('readPrediction', {
        ...{ folder: folder.work, path: outputFile, covariates },
        future: await blobs.source(future),
      })
    } catch (error) {
      if (error instanceof FilesError) return { failure: `The predict command: ${error.message}` }
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      return {
        failure: tell('The predict command', {
          ...end,
          failure: `ended with exit code 0 and has not written ${outputFile}`,
        }),
      }
    }
  }

  interface Predicted {
    claim: Claim
    payload: PredictPayload
    startedAt: number
    end: CommandEnd
    training: Training
    workspace: Workspace
    output: Output
    frame: StagedBlob | null
    inputs: { historic: FrameFacts; future: FrameFacts }
  }

  function predicted(run: Predicted): JobOutcome {
    const { claim, payload, startedAt, end, training, workspace, output, frame, inputs } = run
    const { configId, config } = training
    const id = claim.artifactId ?? newId()
    const isMade = frame !== null && 'frame' in output
    const shared = metadata({ configId, startedAt, end, status: isMade ? 'success' : 'failed' })
    const parts = { content: content(workspace), keeps: workspace.keeps, refers: workspace.refers }
    const type = 'ml_prediction_workspace' as const
    if (!isMade) {
      // Without a prediction the folder takes its place, so that what happened can be seen.
      const along = (tx: Queries) =>
        artifacts.insertMl(tx, {
          ...{ id, parentId: payload.trainingId, type, metadata: shared, ...parts, lineage: null },
        })
      const error = 'failure' in output ? output.failure : 'no prediction'
      return { status: 'failed', error, traceback: null, along }
    }
    const lineage = {
      config_id: configId,
      config,
      ...toHorizonLineage(payload.horizon),
      model: training.hash,
      training: payload.trainingId,
      command: scripts.predict.text,
      inputs: {
        historic: payload.historic,
        future: payload.future,
        ...(payload.geo !== null && { geo: payload.geo }),
      },
      signature: {
        inputs: { historic: inputs.historic.fields, future: inputs.future.fields },
        output: output.facts.fields,
      },
      metrics: {},
      chapkit_version: version,
    }
    return {
      status: 'completed',
      along: async (tx) => {
        await artifacts.insertMl(tx, {
          id,
          parentId: payload.trainingId,
          type: 'ml_prediction',
          metadata: { ...shared, exit_code: null, stdout: null, stderr: null },
          content: { staged: frame, kind: 'json', type: frameMediaType, size: null },
          keeps: [],
          refers: [],
          lineage,
        })
        await artifacts.insertMl(tx, {
          ...{ id: newId(), parentId: id, type, metadata: shared, ...parts, lineage: null },
        })
      },
    }
  }

  return { train, predict }
}

/** The memory of bytes that have one of their own, as those read from the database do. */
function ownBuffers(files: readonly PlacedFile[]): ArrayBuffer[] {
  return files.flatMap(({ source }) => {
    if (!('bytes' in source)) return []
    const { buffer, byteLength } = source.bytes
    return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []
  })
}
