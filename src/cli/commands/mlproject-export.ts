import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { isExported, exportProject as toProject } from '../../mlproject/export.ts'
import { fileNames } from '../../mlproject/project.ts'
import { writeWhole } from '../files.ts'
import { loadService } from '../load.ts'
import { failed } from '../mlproject.ts'
import { print, say } from '../print.ts'

export interface ExportOptions {
  output?: string
  check?: boolean
  force?: boolean
}

/** Writes the MLproject file of a service, or looks whether it is up to date. Answers the exit code. */
export async function exportProject(file: string, options: ExportOptions): Promise<number> {
  const { output, check = false, force = false } = options
  const { service } = await loadService(file)
  try {
    const folder = dirname(resolve(file))
    const target = output ?? relative(process.cwd(), join(folder, nameIn(folder)))
    const source =
      dirname(resolve(target)) === folder
        ? basename(file)
        : relative(dirname(resolve(target)), resolve(file))
    const { text, differences, dropped } = toProject(service.spec, source)
    const current = existsSync(target) ? readFileSync(target, 'utf8') : null
    for (const lost of dropped) say(`chapkit: warning: ${lost}`)
    for (const difference of differences) say(`chapkit: ${check ? '' : 'warning: '}${difference}`)
    if (check) return checked({ target, source, text, current, isSame: differences.length === 0 })
    if (current !== null && current !== text && !isExported(current) && !force) {
      say(
        `chapkit: ${target} was not written by this command: name another file with -o, or add --force`,
      )
      return 1
    }
    if (current !== text) await writeWhole(target, text, { force: current !== null })
    print(current === text ? `${target} is up to date` : `Wrote ${target}`)
    return 0
  } catch (error) {
    return failed(error)
  }
}

/** The MLproject file that is there, or the name of a new one. */
const nameIn = (folder: string): string =>
  fileNames.find((name) => existsSync(join(folder, name))) ?? fileNames[0]

interface Checked {
  target: string
  source: string
  text: string
  current: string | null
  isSame: boolean
}

function checked({ target, source, text, current, isSame }: Checked): number {
  if (current === text) {
    if (isSame) print(`${target} is up to date`)
    return isSame ? 0 : 1
  }
  if (current === null) say(`chapkit: there is no ${target}; run chapkit mlproject export`)
  else {
    print(changes(current, text))
    say(
      `chapkit: ${target} is not what ${source} says; run chapkit mlproject export${isExported(current) ? '' : ' --force'}`,
    )
  }
  return 1
}

/** The lines from the first to the last that differ, those that are there and those that would be written. */
function changes(current: string, text: string): string {
  const [before, after] = [current.split('\n'), text.split('\n')]
  let first = 0
  while (before[first] === after[first]) first++
  let last = 0
  while (
    last < Math.min(before.length, after.length) - first &&
    before.at(-1 - last) === after.at(-1 - last)
  )
    last++
  return [
    `@@ line ${first + 1} @@`,
    ...before.slice(first, before.length - last).map((line) => `- ${line}`),
    ...after.slice(first, after.length - last).map((line) => `+ ${line}`),
  ].join('\n')
}
