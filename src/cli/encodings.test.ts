import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { migrate } from './commands/mlproject-migrate.ts'
import { readGeo } from './commands/train.ts'
import { readConfigData } from './config-data.ts'
import { findProject } from './mlproject.ts'

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'chapkit-encodings-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')
const latin1 = (text: string) => Buffer.from(text, 'latin1')
const encodings: [string, (text: string) => Buffer][] = [
  ['UTF-8', (text) => Buffer.from(text)],
  ['UTF-8 with a byte order mark', (text) => Buffer.from(`\ufeff${text}`)],
  ['UTF-16 with a byte order mark', utf16],
]

const mlproject = `name: été
entry_points:
  train:
    parameters: {train_data: str, model: str}
    command: "Rscript train.R {train_data} {model}"
  predict:
    parameters: {historic_data: str, future_data: str, model: str, out_file: str}
    command: "Rscript predict.R {model} {historic_data} {future_data} {out_file}"
`
const geo = (name: string) => ({
  type: 'FeatureCollection',
  features: [{ type: 'Feature', id: name, properties: {}, geometry: null }],
})
const options = { params: {}, as: 'files' } as const

describe('a file that somebody has written', () => {
  test.each(encodings)('is read as %s', async (_encoding, encode) => {
    const at = folder()
    writeFileSync(join(at, 'config.json'), encode('{"region": "Kédougou"}'))
    writeFileSync(join(at, 'config.yml'), encode('region: Kédougou\n'))
    writeFileSync(join(at, 'map.json'), encode(JSON.stringify(geo('Kédougou'))))
    writeFileSync(join(at, 'MLproject'), encode(mlproject))
    expect(await readConfigData([join(at, 'config.json')])).toEqual({ region: 'Kédougou' })
    expect(await readConfigData([join(at, 'config.yml')])).toEqual({ region: 'Kédougou' })
    expect(await readGeo(join(at, 'map.json'))).toEqual(geo('Kédougou'))
    expect(findProject(at, options).project.name).toBe('été')
  })

  test('in Latin-1 is refused with its name and line: other letters are other places', async () => {
    const at = folder()
    writeFileSync(join(at, 'config.yml'), latin1('a: 1\nregion: Kédougou\n'))
    writeFileSync(join(at, 'map.json'), latin1(JSON.stringify(geo('Kédougou'))))
    writeFileSync(join(at, 'MLproject'), latin1(mlproject))
    await expect(readConfigData([join(at, 'config.yml')])).rejects.toThrow(
      'config.yml is not UTF-8 (line 2); save it as UTF-8',
    )
    await expect(readGeo(join(at, 'map.json'))).rejects.toThrow('map.json is not UTF-8 (line 1)')
    expect(() => findProject(at, options)).toThrow('MLproject is not UTF-8 (line 1)')
  })

  test('is not written anew by a migration that cannot read it', async () => {
    const at = folder()
    writeFileSync(join(at, 'MLproject'), mlproject)
    writeFileSync(join(at, '.gitignore'), latin1('donn\xe9es/\n'))
    expect(await migrate(at, { yes: true }, null)).toBe(1)
  })
})
