import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { basename, delimiter, join, relative, resolve } from 'node:path'
import { environment } from '../../settings.ts'
import { version } from '../../version.ts'
import { CommandError, exit } from '../exit.ts'
import { ask } from '../init/ask.ts'
import { nameProblem, titleProblem, toTitle } from '../init/names.ts'
import { type ProjectChoice, planProject } from '../init/plan.ts'
import { defaultTemplate, type Template, takesValidation, templates } from '../init/templates.ts'
import { assertFree, writeProject } from '../init/write.ts'
import { print, say } from '../print.ts'

export interface InitOptions {
  template?: ProjectChoice['template']
  title?: string
  period?: ProjectChoice['period']
  withValidation?: boolean
  path: string
  git?: boolean
  yes?: boolean
  chapkit?: string
}

/** Makes a project in a new folder. Answers the exit code. */
export async function init(
  given: string | undefined,
  options: InitOptions,
  isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true,
): Promise<number> {
  const { template, title, period, withValidation: validation, chapkit = `^${version}` } = options
  const parent = resolve(options.path)
  const name = given === '.' ? basename(parent) : given
  assertUsable(name, title)
  // Told before anything is asked.
  if (name !== undefined) assertFree(folderOf(parent, given, name), name)

  const asks = isTerminal && options.yes !== true
  const chosen = {
    ...(name !== undefined && { name }),
    ...(title !== undefined && { title }),
    ...(template !== undefined && { template }),
    ...(period !== undefined && { period }),
    ...(validation !== undefined && { validation }),
  }
  const choice = asks ? await ask(chosen, { isThere: isInstalled }) : withDefaults(chosen)
  if (choice.validation && !takesValidation(choice.template))
    throw new CommandError(
      'An MLproject has no place for checks of the data; take the template shell-r for them',
      exit.usage,
    )

  const target = folderOf(parent, given, choice.name)
  assertFree(target, choice.name)
  writeProject(target, planProject({ ...choice, chapkit }), choice.name)
  if (options.git) initGit(target)
  print(describe(choice, relative(process.cwd(), target)))
  return exit.ok
}

const folderOf = (parent: string, given: string | undefined, name: string) =>
  given === '.' ? parent : join(parent, name)

function assertUsable(name: string | undefined, title: string | undefined) {
  const problem =
    (name === undefined ? undefined : nameProblem(name)) ??
    (title === undefined ? undefined : titleProblem(title))
  if (problem !== undefined) throw new CommandError(problem, exit.usage)
}

function withDefaults({ name, ...chosen }: Partial<ProjectChoice>): ProjectChoice {
  if (name === undefined)
    throw new CommandError(
      'Expected a name: chapkit init dengue-forecast --template shell-r',
      exit.usage,
    )
  return {
    name,
    title: toTitle(name),
    template: defaultTemplate,
    period: 'monthly',
    validation: false,
    ...chosen,
  }
}

function isInstalled(program: string): boolean {
  return (environment().PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function initGit(folder: string) {
  const { status, error } = spawnSync('git', ['init', '--quiet'], { cwd: folder })
  if (status !== 0) {
    const why = error ? 'git is not installed' : `git init ended with ${status}`
    say(`chapkit: warning: ${why}; the project is there all the same`)
  }
}

function describe({ name, template }: ProjectChoice, folder: string): string {
  const { needs }: Template = templates[template]
  const commands = [...(folder === '' ? [] : [`cd ${folder}`]), 'npm install', 'npm run dev']
  const missing =
    needs === null || isInstalled(needs.program)
      ? ''
      : `\nIts scripts need ${needs.program}, which is not installed here (on Debian and Ubuntu: sudo apt-get install ${needs.debian}).\n`
  return `Made ${name} from ${template}.
${missing}
Next:
${commands.map((command) => `  ${command}`).join('\n')}

Then, in a second terminal in the same folder:
  npx chapkit train sample/data.csv
  npx chapkit predict sample/historic.csv sample/future.csv

README.md says more.`
}
