import { CommanderError } from 'commander'
import { toError } from '../errors.ts'
import { CommandError, exit } from './exit.ts'
import { guardStreams, say } from './print.ts'
import { createProgram } from './program.ts'

/** Runs a command line and answers its exit code, one of `exit.ts`. */
export async function main(args: readonly string[]): Promise<number> {
  guardStreams()
  let code: number = exit.ok
  const program = createProgram(async (action) => {
    code = await action()
  })
  try {
    if (args.length === 0) program.help()
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    // Help and version are ends, not faults; commander has printed everything.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exit.ok : exit.usage
    const told = error instanceof CommandError ? error.message : toError(error).message
    say(`chapkit: ${told}`)
    return error instanceof CommandError ? error.exit : exit.failed
  }
}
