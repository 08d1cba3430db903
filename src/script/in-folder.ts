import type { JobContext } from '../job/dispatcher.ts'
import type { ScriptLimits, Scripts } from '../ml/runner.ts'
import { scriptEnvironment } from './environment.ts'
import type { FilesWorker } from './files-worker.ts'
import type { RunFolder } from './folders.ts'
import { type CommandEnd, runCommand } from './process.ts'

export interface FolderRun {
  /** Program and arguments. */
  words: readonly string[]
  folder: RunFolder
  /** The folder that it is a copy of. */
  root: string
  /** Environment of the service, of which a command gets what it needs. */
  service: Readonly<Record<string, string | undefined>>
  options: Scripts['environment']
  limits: ScriptLimits
  timeoutMs: number | null
  worker: FilesWorker
  context: Pick<JobContext, 'signal' | 'log'>
}

/** Runs a command in a folder of its own, and takes the folders of this machine out of what clients will read. */
export async function runInFolder(run: FolderRun): Promise<CommandEnd> {
  const { folder, root, worker, context } = run
  const redact = (text: string): string =>
    [folder.work, folder.temp, ...(root === '/' ? [] : [root])].reduce(
      (rest, path) => rest.replaceAll(`${path}/`, '').replaceAll(path, '.'),
      text,
    )
  const end = await runCommand({
    words: run.words,
    folder: folder.work,
    env: scriptEnvironment({
      service: run.service,
      options: run.options,
      project: root,
      temp: folder.temp,
      run: folder.run,
    }),
    limits: run.limits,
    timeoutMs: run.timeoutMs,
    signal: context.signal,
    onLine: (stream, line) => context.log(stream, redact(line)),
    endStrays: (after) => worker.run('endProcesses', { run: folder.run, after: after - 1 }),
  })
  return { ...end, stdout: redact(end.stdout), stderr: redact(end.stderr) }
}
