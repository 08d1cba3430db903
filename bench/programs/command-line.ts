import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { root } from '../harness.ts'
import { atMost, inTurns, milliseconds, type Program, toResult } from '../measure.ts'

const bin = join(root, 'dist', 'cli', 'bin.js')

/** From the start of a Node to its end. */
const node = (...args: string[]): Promise<number> =>
  milliseconds(() => once(spawn(process.execPath, args, { stdio: 'ignore' }), 'close'))

export const commandLine: Program = {
  name: 'command-line',
  row: 'what a command takes before it does anything',
  async run({ quick }) {
    const repeats = quick ? 5 : 25
    const bare = () => node('-e', '0')
    const measure = async (what: string, bar: number | null, ...args: string[]) => {
      await node(bin, ...args)
      const times = await inTurns(repeats, () => node(bin, ...args), bare)
      const limitOf = 'node -e 0'
      return toResult({ what, unit: 'ms', ...times, limitOf, ...(bar && { bar: atMost(bar) }) })
    }
    return [
      await measure('chapkit --help', 80, '--help'),
      await measure('chapkit serve --help', null, 'serve', '--help'),
      await measure('chapkit --version', null, '--version'),
    ]
  },
}
