/** Every exit code of every command: its number, and what it says. `chapkit --help` and the guide list them. */
export const exitCatalogue = {
  ok: { code: 0, about: 'it worked' },
  failed: { code: 1, about: 'it did not work: a job or a test failed, a file cannot be used' },
  usage: { code: 2, about: 'the command line was not understood' },
  unreachable: { code: 3, about: 'no chapkit service answers at the URL' },
  refused: { code: 4, about: 'the service wants another API key' },
  missing: { code: 5, about: 'the service has no such config, artifact or job' },
  interrupted: { code: 130, about: 'ended by Ctrl-C' },
} as const satisfies Record<string, { code: number; about: string }>

export type ExitName = keyof typeof exitCatalogue
export type ExitCode = (typeof exitCatalogue)[ExitName]['code']

/** Exit codes by name. */
export const exit = Object.fromEntries(
  Object.entries(exitCatalogue).map(([name, { code }]) => [name, code]),
) as { [Name in ExitName]: (typeof exitCatalogue)[Name]['code'] }

/** Ends a command: one line for stderr that says what is wrong and what to do, and an exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exit: ExitCode

  constructor(message: string, exit: ExitCode = exitCatalogue.failed.code, options?: ErrorOptions) {
    super(message, options)
    this.exit = exit
  }
}
