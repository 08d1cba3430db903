import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { testWith } from '../setup/needs.ts'
import { httpClient } from './client.ts'
import {
  changeConfig,
  createConfig,
  deleteConfig,
  emptyWorld,
  type Operation,
  perform,
  predict,
  train,
  upload,
} from './ledger.ts'
import { startFixture, startService, temporaryFolder } from './process.ts'
import { attach } from './strace.ts'
import { type Acknowledgement, checkTrace, readCalls } from './trace.ts'

testWith('strace')(
  'every fsync that an acknowledged write depends on comes before its answer',
  { timeout: 300_000 },
  async () => {
    using data = temporaryFolder()
    // Made by the service, two levels: also the folder itself must last.
    const folder = join(data.path, 'made', 'data')
    const log = join(data.path, 'log')
    await using service = startFixture('service', [], {
      PORT: '0',
      CHAPKIT_DATA_DIR: folder,
      CHAPKIT_CRASH_HOLD: '1',
    })
    await service.line('held')
    const strace = await attach(service.pid, [
      '-f',
      '-y',
      '-tt',
      '-s20000',
      `-o${log}`,
      '-etrace=pwrite64,write,writev,sendto,sendmsg,fsync,fdatasync,rename,renameat2,mkdir,mkdirat,unlink,ftruncate',
    ])
    service.child.stdin?.write('\n')
    const { send, close } = httpClient((await service.line('ready')) ?? '')

    const world = emptyWorld()
    const acknowledgements: Acknowledgement[] = []
    const told = async (operation: Operation) => {
      const answer = await perform(operation, send)
      const { json } = answer
      const id: string = json.job_id ?? json.id
      // The date is in no other answer; a job is told of by its own id.
      acknowledgements.push({ names: [id], answer: json.job_id ? `\\"job_id\\":\\"${id}` : id })
      return json
    }
    for (let index = 0; index < 5; index++)
      await told(createConfig(world, { name: `traced-${index}`, seed: index }))
    for (let index = 0; index < 8; index++)
      await told(upload(world, { tag: `u-${index}`, seed: index, size: index < 2 ? 500 : 90_000 }))
    const configId = [...world.configs.keys()][0]!
    for (const [index, key] of ['first', 'second', 'third'].entries()) {
      await told(train(world, { configId, key, rows: 3_000, seed: index }))
      const [id, job] = [...world.jobs].at(-1)!
      await send({ method: 'GET', path: `/api/v1/jobs/${id}/$stream` })
      // A finished job is promised by whatever tells of it: its model is there from then on.
      acknowledgements.push({
        names: [job.artifactId],
        answer: `\\"id\\":\\"${id}\\",\\"type\\":\\"train\\",\\"status\\":\\"completed\\"`,
      })
      await told(predict(world, job, { key: `${key} predicted`, rows: 3_000 }))
      const [predictionId] = [...world.jobs].at(-1)!
      await send({ method: 'GET', path: `/api/v1/jobs/${predictionId}/$stream` })
    }
    await perform(changeConfig(world, [...world.configs.keys()][1]!, 77), send)
    await perform(deleteConfig(world, configId), send)
    close()
    await service.kill()
    await strace.exited

    const { checked, violations } = checkTrace(
      readCalls(readFileSync(log, 'latin1')),
      folder,
      acknowledgements,
    )
    console.log(`checked: ${JSON.stringify(checked)}`)
    expect(violations).toEqual([])
    expect(checked.answers).toBe(acknowledgements.length)
    expect(checked.files).toBeGreaterThanOrEqual(10)
  },
)

testWith('strace')(
  'after an fsync that failed nothing is built on what it may have lost: the log is begun anew',
  { timeout: 180_000 },
  async () => {
    using data = temporaryFolder()
    const folder = join(data.path, 'data')
    const log = join(data.path, 'log')
    await using service = await startService(folder)
    const { send, close } = httpClient(service.url)
    const world = emptyWorld()
    const save = (name: string) => send(createConfig(world, { name, seed: 1 }).request)
    // What is in the log before.
    expect((await save('in the log')).status).toBe(201)
    const strace = await attach(service.pid, [
      '-f',
      '-y',
      '-tt',
      `-o${log}`,
      '-etrace=pwrite64,fsync,fdatasync,ftruncate',
      '-einject=fsync,fdatasync:error=EIO:when=1',
    ])
    expect((await save('not stored')).status).toBe(503)
    expect((await save('stored')).status).toBe(201)
    await strace.detach()
    close()

    const all = readFileSync(log, 'latin1')
    const calls = readCalls(all.slice(all.indexOf('(INJECTED)') + 1))
    const database = join(folder, 'chapkit.db')
    const copied = calls.findIndex(({ name, path }) => name === 'pwrite64' && path === database)
    const kept = calls.findIndex(
      ({ name, path }, at) => at > copied && name.endsWith('sync') && path === database,
    )
    const commit = calls.findIndex(
      ({ name, path }) => name === 'pwrite64' && path === `${database}-wal`,
    )
    // What was committed before goes from the log, of which the disk may lack a part, into the database, and lasts there…
    expect(copied).toBeGreaterThanOrEqual(0)
    expect(kept).toBeGreaterThan(copied)
    // …and only then the log is written again, from its beginning.
    expect(commit).toBeGreaterThan(kept)
    expect(calls[commit]?.text).toMatch(/, 32, 0\) += 32/)
  },
)
