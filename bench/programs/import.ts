import { runLimit } from '../harness.ts'
import { inTurns, type Program, toResult } from '../measure.ts'

export const importTime: Program = {
  name: 'import',
  row: 'import of chapkit in a process that has nothing loaded',
  async run({ quick }) {
    const time =
      (...modules: string[]) =>
      () =>
        runLimit<number>('import.ts', modules)
    await time('chapkit')()
    await time('fastify', 'zod')()
    const figures = await inTurns(quick ? 3 : 11, time('chapkit'), time('fastify', 'zod'))
    return [
      toResult({ what: 'import', unit: 'ms', ...figures, limitOf: 'import of fastify and zod' }),
    ]
  },
}
