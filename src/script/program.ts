import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/** Whether a program can be started: on the PATH, or, with a slash in its name, below a folder. */
export function isProgram(program: string, path: string, folder = '.'): boolean {
  const places = program.includes('/')
    ? [isAbsolute(program) ? program : join(folder, program)]
    : path.split(delimiter).map((each) => join(each, program))
  return places.some((place) => {
    try {
      accessSync(place, constants.X_OK)
      // A folder has that right, too.
      return statSync(place).isFile()
    } catch {
      return false
    }
  })
}
