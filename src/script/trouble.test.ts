import { rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { counting, startScripts } from './fixtures/project.ts'
import { FilesError, toTrouble } from './trouble.ts'

const system = (code: string, path?: string) =>
  Object.assign(new Error(`${code}: no, open '${path}'`), { code, ...(path && { path }) })

test.each([
  ['ENOSPC', 'storage-full'],
  ['EDQUOT', 'storage-full'],
  ['EMFILE', 'unavailable'],
  ['EIO', 'unavailable'],
])('%s lets a job wait (%s)', (code, expected) => {
  expect(toTrouble(system(code, '/secret/place/a.R'))).toMatchObject({ code: expected })
  expect(String(toTrouble(system(code, '/secret/place/a.R')))).not.toContain('/secret')
})

test('a file that cannot be used is named without its folder', () => {
  expect(toTrouble(system('EACCES', '/secret/place/a.R'))).toEqual(
    new FilesError('"a.R" cannot be used (EACCES); may the service read and write it?'),
  )
  expect(String(toTrouble(system('EPERM')))).toContain('A file cannot be used (EPERM)')
})

test('what is no trouble with files stays what it is', () => {
  const error = new TypeError('x')
  expect(toTrouble(error)).toBe(error)
})

test('a project that is not there stops the start; one that has gone fails its job', async () => {
  await expect(startScripts(counting, { project: '/nowhere/at/all' })).rejects.toThrow(
    'The project of the model has to be a folder, and /nowhere/at/all is none',
  )
  const service = await startScripts(counting)
  rmSync(service.project, { recursive: true })
  const { job } = await service.train()
  expect(job.status).toBe('failed')
  expect(job.error).toBe('The folder of the project is not there')
})
