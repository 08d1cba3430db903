import type { Artifacts } from '../artifact/artifacts.ts'
import { type Manifests, readManifest } from '../artifact/manifest.ts'
import { frameMediaType, type ManifestEntry, workspaceMediaType } from '../artifact/schema.ts'
import type { ArtifactRow } from '../artifact/store.ts'
import type { Blobs, StagedBlob } from '../blob/blobs.ts'
import type { Queries } from '../db/tables.ts'
import type { JobContext, JobHandler, JobOutcome } from '../job/dispatcher.ts'
import type { Claim } from '../job/jobs.ts'
import { untilStored } from '../job/until-stored.ts'
import type { Clocks } from '../kernel/clock.ts'
import { atHorizon, toHorizonLineage } from '../ml/horizon.ts'
import type { PredictPayload, TrainPayload } from '../ml/ml.ts'
import { configFile, csvEntry, fileEntry } from '../ml/model-file.ts'
import type { FrameFacts } from '../ml/run.ts'
import type { Command, FilePlaceholder, Scripts } from '../ml/runner.ts'
import { createTrainings, runTimes } from '../ml/trainings.ts'
import { toArguments } from './command.ts'
import { configFileBytes } from './config-file.ts'
import type { Ended } from './ended.ts'
import type { PlacedFile } from './files.ts'
import type { FilesWorker } from './files-worker.ts'
import type { Filling, Folders, RunFolder } from './folders.ts'
import { type FolderEnd, runInFolder, type Surroundings } from './in-folder.ts'
import type { Skipped } from './listing.ts'
import { handled, tell, tellUnstored, unfinished } from './outcome.ts'
import type { createProject } from './project.ts'
import { FilesError, isPassing, toTrouble } from './trouble.ts'
import { createWorkspaces, type KnownFile, skippedLine, type Workspace } from './workspace.ts'

export interface ScriptRunsDeps {
  scripts: Scripts
  /** Folder of the scripts. */
  root: string
  project: ReturnType<typeof createProject>
  folders: Folders
  worker: FilesWorker
  artifacts: Artifacts
  blobs: Blobs
  manifests: Manifests
  surroundings: Surroundings
  covariates: readonly string[]
  version: string
  clocks: Clocks
  newId: () => string
  /** Links a trained model to its config, in the transaction that stores it. */
  link: (tx: Queries, configId: string, artifactId: string) => Promise<void>
  onError: (error: unknown, event: string) => void
}

const dataFile = 'data.csv'
const historicFile = 'historic.csv'
const futureFile = 'future.csv'
const outputFile = 'predictions.csv'
const geoFile = 'geo.json'

/** What a prediction does not take over from the training: its own inputs, and an output that might be taken for its own. */
const notInherited = [configFile, historicFile, futureFile, outputFile]

/** Something of that name, and what is below it, should it be a folder. */
const isInherited = ({ path }: ManifestEntry): boolean =>
  !notInherited.some((name) => path === name || path.startsWith(`${name}/`))

/** Lines in the log of a job for what is not copied or kept. */
const skippedLines = 20
/** How many trainings are remembered for the predictions to come. */
const trainingsKept = 20

interface Training {
  /** Hash of its manifest. */
  hash: string
  config: Record<string, unknown>
  configId: string
  entries: ManifestEntry[]
  filling: Filling
}

/** How train and predict jobs of a model made of commands are run: inputs as files, one process, the folder as the result. */
export function createScriptRuns(deps: ScriptRunsDeps): { train: JobHandler; predict: JobHandler } {
  const { scripts, root, project, folders, worker, artifacts, blobs, manifests, covariates } = deps
  const { clocks, newId, version, onError } = deps
  const { stopping } = deps.surroundings
  const workspaces = createWorkspaces({ blobs, manifests, worker })

  const isAdapted = Object.keys(scripts.adapters).length > 0

  /** Brings a frame into the folder of a run. One with further columns is a file like others: no blob is its frame. */
  async function placeFrame(folder: RunFolder, path: string, hash: string, context: JobContext) {
    const frame = await blobs.source(hash)
    const { file, facts, missing } = await worker.run('placeFrame', {
      ...{ folder: folder.work, path, frame, covariates, adapters: scripts.adapters },
    })
    // With further columns it is neither a file of the base nor a blob that is known: it is stored as it is found.
    if (isAdapted) folder.placed.delete(path)
    else folder.placed.set(path, file)
    for (const name of missing) context.log('log', `${path} has no column ${name} for an adapter`)
    const known: KnownFile[] = isAdapted
      ? []
      : [{ entry: csvEntry(path, hash, facts), staged: null }]
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
    const placed = await worker.run('placeInputs', { folder: folder.work, files })
    for (const file of placed) folder.placed.set(file.path, file)
  }

  /** Runs one of the commands in its folder. */
  const run = (
    command: Command,
    files: Partial<Record<FilePlaceholder, string>>,
    folder: RunFolder,
    context: JobContext,
  ): Promise<FolderEnd> =>
    runInFolder({
      words: toArguments(command, files),
      options: scripts.environment,
      limits: scripts.limits,
      timeoutMs: scripts.timeoutMs,
      ...{ folder, root, worker, context, surroundings: deps.surroundings },
    })

  /** Says in the log what is not copied or kept, within bounds: a script may leave any number of pipes. */
  function logSkipped(
    { skipped, gone = null }: { skipped: readonly Skipped[]; gone?: string | null },
    { log }: JobContext,
  ): void {
    if (gone !== null) log('log', `the folder of the run is gone: ${gone}`)
    for (const one of skipped.slice(0, skippedLines)) log('log', skippedLine(one))
    const more = skipped.length - skippedLines
    if (more > 0) log('log', `and ${more} more`)
  }

  interface Frame {
    configId: string
    since: number
    end: FolderEnd
    status: 'success' | 'failed'
  }

  const metadata = ({ configId, since, end, status }: Frame) => ({
    status,
    ...runTimes(configId, since, clocks),
    exit_code: end.exitCode,
    stdout: end.stdout,
    stderr: end.stderr,
  })

  const content = ({ staged, size }: Workspace) => ({
    ...{ staged, kind: 'workspace' as const, type: workspaceMediaType, size },
  })

  /** A run whose command has ended, in this start of the service or an earlier one. */
  interface Ran {
    folder: RunFolder
    ended: Ended
    known: readonly KnownFile[]
    /** The workspace that it began with. */
    base: () => Promise<{ hash: string; entries: readonly ManifestEntry[] }>
    /** What the next run like this begins with; not known of one that was left. */
    filling?: Filling
  }

  const baseOf = async (hash: string) => ({ hash, entries: await readManifest(blobs, hash) })

  function takeLeft(claim: Claim, { log }: JobContext): Omit<Ran, 'base'> | undefined {
    const left = folders.takeLeft(claim.id)
    if (!left) return undefined
    log('log', 'the command had ended before the service did: it does not run again')
    // Which of its files are as they were placed is not known any more: all are read.
    return { ...left, known: [] }
  }

  /** Does something with a new folder, which is taken away unless that ends with a command that has ended. */
  async function attend(
    folder: RunFolder,
    work: () => Promise<Ran | JobOutcome>,
  ): Promise<Ran | JobOutcome> {
    let isLeft = false
    try {
      const ran = await work()
      isLeft = 'ended' in ran
      return ran
    } finally {
      if (!isLeft) void folder.remove()
    }
  }

  /**
   * Makes the outcome of a run. Its folder stays until that is written, and beyond a stop before, so that the next start can
   * write it. `null`: the command has to run again.
   */
  async function finish(
    { folder, ended, filling }: Ran,
    kind: 'train' | 'predict',
    work: () => Promise<JobOutcome | null>,
  ): Promise<JobOutcome> {
    let outcome: JobOutcome | null = null
    try {
      outcome = await work()
    } finally {
      const isStopped = outcome?.status === 'aborted' && stopping.aborted
      if (isStopped) await folder.leave(ended)
      else if (outcome === null || !('along' in outcome)) void folder.remove()
      if (filling) folders.prepare(kind, filling)
    }
    if (outcome === null) return { status: 'aborted' }
    if (outcome.status !== 'completed' && outcome.status !== 'failed') return outcome
    const afterwards = async (isSettled: boolean) => {
      if (isSettled) void folder.remove()
      else await folder.leave(ended)
    }
    return { ...outcome, afterwards }
  }

  /** Stores what a run has left; to be called until it works. */
  function collector(claim: Claim, { folder, known, base }: Ran): () => Promise<Workspace> {
    let collect: (() => Promise<Workspace>) | undefined
    return async () => {
      collect ??= workspaces.collector({ job: claim.id, folder, base: await base(), known })
      return collect()
    }
  }

  /** A stop need not wait until the disk takes what the next start can store. */
  const storing = (context: JobContext) => ({
    context: { ...context, signal: AbortSignal.any([context.signal, stopping]) },
    ...{ onError, toTrouble },
    maker: 'The command',
    afterStop: 'It does not run again, also after a stop.',
  })

  /** Runs the train command, unless an earlier start has. */
  async function runTraining(
    claim: Claim,
    payload: TrainPayload,
    context: JobContext,
  ): Promise<Ran | JobOutcome> {
    const left = takeLeft(claim, context)
    if (left) return { ...left, base: () => baseOf(left.ended.base) }
    const since = clocks.serviceTime()
    context.progress({ fraction: null, message: 'copying the project' })
    // The project may be copied more than once, while it changes; the command runs once.
    const { stored, folder } = await project.use(claim.id, async (stored) => {
      return { stored, folder: await folders.take('train', stored.filling) }
    })
    return attend(folder, async () => {
      logSkipped(stored, context)
      const values = atHorizon(payload.config, payload.horizon)
      const config = configFileBytes(values, scripts.configFormat)
      const { facts, known: data } = await placeFrame(folder, dataFile, payload.data, context)
      const known = [
        await placeBytes(folder, configFile, config),
        ...data,
        ...(await placeGeo(folder, payload.geo)),
      ]
      context.progress({ fraction: null, message: 'running the train command' })
      const files = { data_file: dataFile, geo_file: payload.geo === null ? '' : geoFile }
      const end = await run(scripts.train, files, folder, context)
      const early = unfinished(end)
      if (early) return early
      const ended = {
        ...{ job: claim.id, since, end, command: scripts.train.text, base: stored.hash },
        inputs: { data: facts },
      }
      await folder.hasEnded(ended)
      return { folder, ended, known, base: async () => stored, filling: stored.filling }
    })
  }

  const train: JobHandler = (claim, context) =>
    handled(async () => {
      const payload = claim.payload as unknown as TrainPayload
      const ran = await runTraining(claim, payload, context)
      if ('status' in ran) return ran
      return finish(ran, 'train', async () => {
        context.progress({ fraction: null, message: 'storing the workspace' })
        const collect = collector(claim, ran)
        const workspace = await untilStored(collect, storing(context))
        if (!workspace) return { status: 'aborted' }
        logSkipped(workspace, context)
        return trained({ claim, payload, ended: ran.ended, workspace })
      })
    })

  interface Trained {
    claim: Claim
    payload: TrainPayload
    ended: Ended
    workspace: Workspace
  }

  function trained({ claim, payload, ended, workspace }: Trained): JobOutcome {
    const { since, end, base, command, inputs } = ended
    const { configId, config, horizon, geo } = payload
    const failure =
      end.failure === null
        ? tellUnstored('The train command', workspace)
        : tell('The train command', end)
    const status = failure === null ? ('success' as const) : ('failed' as const)
    const id = claim.artifactId ?? newId()
    const shared = metadata({ configId, since, end, status })
    const along = async (tx: Queries) => {
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
          project: base,
          command,
          environment: end.environment,
          model: workspace.staged.hash,
          signature: { inputs: fieldsOf(inputs), output: null },
          metrics: {},
          chapkit_version: version,
        },
      })
      await deps.link(tx, configId, id)
    }
    if (failure === null) return { status: 'completed', along }
    return { status: 'failed', error: failure, traceback: null, along }
  }

  const getTraining = createTrainings(artifacts, readTraining, trainingsKept)

  async function readTraining(row: ArtifactRow): Promise<Training> {
    const { config } = JSON.parse(row.lineage ?? '{}') as { config: Record<string, unknown> }
    const { metadata: made } = JSON.parse(row.data) as { metadata: { config_id: string } }
    const hash = row.content_hash ?? ''
    const entries = await readManifest(blobs, hash)
    const filling = {
      key: hash,
      fill: (by: FilesWorker, folder: string) =>
        workspaces.fill(by, folder, entries.filter(isInherited)),
    }
    return { hash, config, configId: made.config_id, entries, filling }
  }

  /** Runs the predict command, unless an earlier start has. */
  async function runPrediction(
    claim: Claim,
    payload: PredictPayload,
    context: JobContext,
  ): Promise<Ran | JobOutcome> {
    const base = () => getTraining(payload.trainingId)
    const left = takeLeft(claim, context)
    if (left) return { ...left, base }
    const since = clocks.serviceTime()
    context.progress({ fraction: null, message: 'copying the workspace' })
    const training = await base()
    const folder = await folders.take('predict', training.filling)
    return attend(folder, async () => {
      const values = atHorizon(training.config, payload.horizon)
      const config = configFileBytes(values, scripts.configFormat)
      const historic = await placeFrame(folder, historicFile, payload.historic, context)
      const future = await placeFrame(folder, futureFile, payload.future, context)
      const known = [
        await placeBytes(folder, configFile, config),
        ...[...historic.known, ...future.known],
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
      const ended = {
        ...{ job: claim.id, since, end, command: scripts.predict.text, base: training.hash },
        inputs: { historic: historic.facts, future: future.facts },
      }
      await folder.hasEnded(ended)
      return { folder, ended, known, base, filling: training.filling }
    })
  }

  const predict: JobHandler = (claim, context) =>
    handled(async () => {
      const payload = claim.payload as unknown as PredictPayload
      const ran = await runPrediction(claim, payload, context)
      if ('status' in ran) return ran
      const { folder, ended } = ran
      return finish(ran, 'predict', async () => {
        context.progress({ fraction: null, message: 'storing the prediction' })
        const collect = collector(claim, ran)
        const store = async () => {
          const training = await getTraining(payload.trainingId)
          const output = await readOutput(folder, ended.end, payload.future)
          const frame = 'frame' in output ? await blobs.stage(output.frame) : null
          return { training, output, frame, workspace: await collect() }
        }
        const stored = await untilStored(store, storing(context))
        if (!stored) return { status: 'aborted' }
        // A command that catches the signal of a stop may end well before its work is done.
        const isCut = ended.end.failure === null && 'failure' in stored.output
        if (isCut && stopping.aborted) return null
        if ('frame' in stored.output)
          for (const warning of stored.output.warnings) context.log('log', `warning: ${warning}`)
        logSkipped(stored.workspace, context)
        return predicted({ claim, payload, ended, ...stored })
      })
    })

  type Output = { frame: Uint8Array; facts: FrameFacts; warnings: string[] } | { failure: string }

  /** The prediction that a command has written, or why there is none. */
  async function readOutput(folder: RunFolder, end: FolderEnd, future: string): Promise<Output> {
    if (end.failure !== null) return { failure: tell('The predict command', end) }
    try {
      return await worker.run('readPrediction', {
        ...{ folder: folder.work, path: outputFile, covariates },
        future: await blobs.source(future),
      })
    } catch (error) {
      if (error instanceof FilesError) return { failure: `The predict command: ${error.message}` }
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined || isPassing(code)) throw error
      const what =
        code === 'ENOENT'
          ? `has not written ${outputFile}`
          : `has written a ${outputFile} that cannot be read (${code})`
      return {
        failure: tell('The predict command', {
          ...end,
          failure: `ended with exit code 0 and ${what}`,
        }),
      }
    }
  }

  interface Predicted {
    claim: Claim
    payload: PredictPayload
    ended: Ended
    training: Training
    workspace: Workspace
    output: Output
    frame: StagedBlob | null
  }

  function predicted(run: Predicted): JobOutcome {
    const { claim, payload, training, workspace, output, frame } = run
    const { since, end, command, inputs } = run.ended
    const { configId, config } = training
    const id = claim.artifactId ?? newId()
    // A folder that is gone had no result of this run, whatever was read in its place.
    const isMade = frame !== null && 'frame' in output && workspace.gone === null
    const shared = metadata({ configId, since, end, status: isMade ? 'success' : 'failed' })
    const parts = { content: content(workspace), keeps: [], refers: [] }
    const type = 'ml_prediction_workspace' as const
    if (!isMade) {
      // Without a prediction the folder takes its place, so that what happened can be seen.
      const along = (tx: Queries) =>
        artifacts.insertMl(tx, {
          ...{ id, parentId: payload.trainingId, type, metadata: shared, ...parts, lineage: null },
        })
      const gone =
        end.failure === null && workspace.gone !== null
          ? tellUnstored('The predict command', workspace)
          : null
      const error = gone ?? ('failure' in output ? output.failure : 'no prediction')
      return { status: 'failed', error, traceback: null, along }
    }
    const lineage = {
      config_id: configId,
      config,
      ...toHorizonLineage(payload.horizon),
      model: training.hash,
      training: payload.trainingId,
      command,
      environment: end.environment,
      inputs: {
        historic: payload.historic,
        future: payload.future,
        ...(payload.geo !== null && { geo: payload.geo }),
      },
      signature: {
        inputs: fieldsOf(inputs),
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

const fieldsOf = (inputs: Ended['inputs']) =>
  Object.fromEntries(Object.entries(inputs).map(([name, { fields }]) => [name, fields]))
