import { existsSync, lstatSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { place, placeProject, readPrediction, remove } from './files.ts'
import { makeFolder } from './fixtures/project.ts'
import { listProject, listRun } from './listing.ts'

describe('a copy', () => {
  test('is no link to what was copied, whatever is done to it', () => {
    const big = 'b'.repeat(3 * 1024 * 1024)
    const root = makeFolder({ small: 's', big, 'run.sh': '#!/bin/sh\n' })
    const folder = join(makeFolder(), 'work')
    const listing = listProject({ root, except: [] })
    expect(placeProject({ root, folder, ...listing })).toHaveLength(3)
    for (const name of ['small', 'big', 'run.sh']) {
      const [from, to] = [lstatSync(join(root, name)), lstatSync(join(folder, name))]
      expect(to.isFile()).toBe(true)
      expect(to.nlink).toBe(1)
      expect(to.ino).not.toBe(from.ino)
      expect(to.mode).toBe(from.mode)
      writeFileSync(join(folder, name), 'changed')
      expect(readFileSync(join(root, name), 'utf8')).not.toBe('changed')
    }
  })

  test('of a project that has been changed since it was listed is refused', () => {
    const root = makeFolder({ a: '1' })
    const listing = listProject({ root, except: [] })
    const copy = () => placeProject({ root, folder: join(makeFolder(), 'work'), ...listing })
    writeFileSync(join(root, 'a'), '2')
    expect(copy()).toBe(false)
    remove({ path: join(root, 'a') })
    expect(copy()).toBe(false)
  })

  test('tells by its stamp whether anything was written to it', () => {
    const folder = makeFolder()
    const [placed] = place({
      folder,
      files: [{ path: 'a/b.txt', mode: 0o640, source: { bytes: Buffer.from('one') } }],
    })
    const look = () => listRun({ folder, maximumBytes: 1000 }).files[0]
    expect(look()).toEqual(placed)
    expect(statSync(join(folder, 'a/b.txt')).mode & 0o777).toBe(0o640)
    writeFileSync(join(folder, 'a/b.txt'), 'two')
    expect(look()?.stamp).not.toBe(placed?.stamp)
  })
})

describe('a folder of a run', () => {
  test('is removed also where a script has taken rights away', () => {
    const folder = makeFolder({ 'locked/deep/x': '' })
    mkdirSync(join(folder, 'locked', 'none'), { mode: 0o000 })
    remove({ path: folder })
    expect(existsSync(folder)).toBe(false)
    expect(() => remove({ path: folder })).not.toThrow()
  })
})

test('a prediction with a byte order mark, line ends of Windows and quotes is read', () => {
  const folder = makeFolder({
    'p.csv':
      '\ufefftime_period,location,"sample_0"\r\n2024-01,"north, upper",1\r\n2024-02,007,\r\n',
  })
  const future = {
    columns: ['time_period', 'location'],
    data: [
      ['2024-01', 'north, upper'],
      ['2024-02', '007'],
    ],
  }
  const source = { bytes: Buffer.from(JSON.stringify(future)) }
  const prediction = readPrediction({ folder, path: 'p.csv', covariates: [], future: source })
  const { frame, facts, warnings } = prediction
  expect(JSON.parse(Buffer.from(frame).toString())).toMatchObject({
    columns: ['time_period', 'location', 'sample_0'],
    data: [
      ['2024-01', 'north, upper', 1],
      ['2024-02', '007', null],
    ],
  })
  expect(facts.rows).toBe(2)
  expect(warnings).toEqual(['1 row of 2 have samples without a value'])
})
