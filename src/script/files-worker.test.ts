import { expect, onTestFinished, test } from 'vitest'
import { createFilesWorker } from './files-worker.ts'
import { makeFolder } from './fixtures/project.ts'
import { FilesError } from './trouble.ts'

test('a file that takes too much memory fails alone: what waits behind it is done by the next thread', async () => {
  const worker = createFilesWorker({ memoryMb: 24 })
  onTestFinished(() => worker.close())
  const rows = 'north,2024-01,1,2,3,4,5,6,7,8,9\n'.repeat(400_000)
  const folder = makeFolder({
    'predictions.csv': `location,time_period,a,b,c,d,e,f,g,h,i\n${rows}`,
    'model.rds': 'hours of work',
  })
  const future = { bytes: Buffer.from('{"columns":[],"data":[]}') }

  const reading = worker.run('readPrediction', {
    ...{ folder, path: 'predictions.csv', covariates: [], future },
  })
  const listing = worker.run('listRun', { folder, maximumBytes: 2 ** 30 })

  await expect(reading).rejects.toThrow(FilesError)
  await expect(reading).rejects.toThrow('memory')
  const { files } = await listing
  expect(files.map(({ path }) => path)).toEqual(['model.rds', 'predictions.csv'])
  expect(await worker.run('listRun', { folder, maximumBytes: 2 ** 30 })).toMatchObject({
    gone: null,
  })
})

test('what cannot be sent to the thread fails alone, too', async () => {
  const worker = createFilesWorker()
  onTestFinished(() => worker.close())
  const folder = makeFolder({ 'a.txt': 'a' })
  const unsendable = worker.run('listRun', { folder, maximumBytes: (() => 1) as never })
  const listing = worker.run('listRun', { folder, maximumBytes: 2 ** 30 })
  await expect(unsendable).rejects.toThrow('could not be cloned')
  expect((await listing).files).toHaveLength(1)
})
