import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root, Scope } from '../harness.ts'
import type { Program } from '../measure.ts'
import { jobFigures } from './jobs.ts'

export const slowDisk: Program = {
  name: 'slow-disk',
  row: 'the job figures with 2 ms added to each fsync',
  async run(options) {
    await using scope = new Scope()
    const library = join(scope.folder(), 'slow-fsync.so')
    const source = join(root, 'bench', 'limits', 'slow-fsync.c')
    const { status } = spawnSync('gcc', ['-shared', '-fPIC', '-O2', '-o', library, source, '-ldl'])
    if (status !== 0) {
      console.error('slow-disk: left out, because gcc is not there to make the slow fsync')
      return []
    }
    return await jobFigures(options, { LD_PRELOAD: library, SLOW_FSYNC_MS: '2' })
  },
}
