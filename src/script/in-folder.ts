import type { JobContext } from '../job/dispatcher.ts'
import { isPartOfStop } from '../kernel/stop.ts'
import type { ScriptLimits, Scripts } from '../ml/runner.ts'
import { type EnvironmentRecord, recordEnvironment, scriptEnvironment } from './environment.ts'
import type { FilesWorker } from './files-worker.ts'
import type { RunFolder } from './folders.ts'
import type { ScriptLocale } from './locale.ts'
import { type CommandEnd, runCommand } from './process.ts'

/** What commands have around them, whichever they are. */
export interface Surroundings {
  /** Environment of the service, of which a command gets what it needs. */
  environment: Readonly<Record<string, string | undefined>>
  locale: Promise<ScriptLocale>
  /** Aborts when the service begins to stop. */
  stopping: AbortSignal
}

export interface FolderEnd extends CommandEnd {
  /** What of its environment the result may depend on. */
  environment: EnvironmentRecord
}

export interface FolderRun {
  /** Program and arguments. */
  words: readonly string[]
  folder: RunFolder
  /** The folder that it is a copy of. */
  root: string
  surroundings: Surroundings
  options: Scripts['environment']
  limits: ScriptLimits
  timeoutMs: number | null
  worker: FilesWorker
  context: Pick<JobContext, 'signal' | 'log'>
}

/** Runs a command in a folder of its own, and takes the folders of this machine out of what clients will read. */
export async function runInFolder(run: FolderRun): Promise<FolderEnd> {
  const { folder, root, worker, context, surroundings, options } = run
  const redact = (text: string): string =>
    [folder.work, folder.temp, ...(root === '/' ? [] : [root])].reduce(
      (rest, path) => rest.replaceAll(`${path}/`, '').replaceAll(path, '.'),
      text,
    )
  const env = scriptEnvironment({
    service: surroundings.environment,
    locale: (await surroundings.locale).variables,
    options,
    project: root,
    temp: folder.temp,
    run: folder.run,
  })
  const end = await runCommand({
    words: run.words,
    folder: folder.work,
    env,
    limits: run.limits,
    timeoutMs: run.timeoutMs,
    signal: context.signal,
    onLine: (stream, line) => context.log(stream, redact(line)),
    endStrays: (after) => worker.run('endProcesses', { run: folder.run, after: after - 1 }),
  })
  const isStopped =
    end.kind === 'ended' &&
    end.failure !== null &&
    (await isPartOfStop({ code: end.exitCode, signal: end.signal }, surroundings.stopping))
  return {
    ...end,
    ...(isStopped && { kind: 'aborted' }),
    stdout: redact(end.stdout),
    stderr: redact(end.stderr),
    environment: recordEnvironment(env, options),
  }
}
