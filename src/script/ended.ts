import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { kernelBoot } from '../db/owner.ts'
import type { FrameFacts } from '../ml/run.ts'
import type { FolderEnd } from './in-folder.ts'

/*
 * What is known of a command that has ended, in a file beside the folder that it has left. With both its result can be stored by a
 * later start of the service, and the command, which may have taken hours, does not run again.
 */

export interface Ended {
  /** The job whose command it was. */
  job: string
  /** When the run began, in service time. */
  since: number
  end: FolderEnd
  /** The command as its author wrote it. */
  command: string
  /** Hash of the workspace that its folder began with. */
  base: string
  /** What its frames held. */
  inputs: Record<string, FrameFacts>
}

interface EndedFile extends Ended {
  version: 1
  /** The boot of the kernel: after another one, what was not brought to the disk may be missing. */
  boot: string | null
  /** Whether everything was. */
  isOnDisk: boolean
}

const name = 'ended.json'
/** Bytes that are taken on the disk before the command begins: a disk that it fills takes the record all the same. */
const reservedBytes = 128 * 1024
/** Characters of each output that are kept where there is no more room. */
const shortOutput = 8000

/** Takes the room for the record of a run. */
export const reserveEnded = (place: string): Promise<void> =>
  writeFile(join(place, name), Buffer.alloc(reservedBytes, ' '), { mode: 0o600 })

/** Writes the record of a run: shorter, where the disk takes no more than was reserved. */
export async function writeEnded(place: string, ended: Ended, isOnDisk: boolean): Promise<void> {
  const { stdout, stderr } = ended.end
  const short = { stdout: stdout.slice(-shortOutput), stderr: stderr.slice(-shortOutput) }
  try {
    await write(place, ended, isOnDisk)
  } catch {
    await write(place, { ...ended, end: { ...ended.end, ...short } }, isOnDisk)
  }
}

async function write(place: string, ended: Ended, isOnDisk: boolean): Promise<void> {
  const content: EndedFile = { version: 1, boot: kernelBoot(), isOnDisk, ...ended }
  // In the room that was reserved: a new file would need other room.
  const file = await open(join(place, name), 'r+')
  try {
    await file.write(`${JSON.stringify(content)}\n`, 0)
    if (isOnDisk) await file.sync()
  } finally {
    await file.close()
  }
}

/** Reads the record of an ended command. Undefined if there is none, or if files of its folder may be missing. */
export async function readEnded(place: string): Promise<Ended | undefined> {
  try {
    const text = await readFile(join(place, name), 'utf8')
    const { version, boot, isOnDisk, ...ended } = JSON.parse(text.split('\n', 1)[0]!) as EndedFile
    const isWhole = isOnDisk || (boot !== null && boot === kernelBoot())
    return version === 1 && isWhole ? ended : undefined
  } catch {
    // None was written, or the service was killed meanwhile: the command runs again.
    return undefined
  }
}
