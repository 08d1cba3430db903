import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { chapkit, folderWith, run, start } from './fixtures/run.ts'
import { listen, trainCsv } from './fixtures/service.ts'
import { createUse, data } from './fixtures/use.ts'

let service: Awaited<ReturnType<typeof listen>>
beforeAll(async () => {
  service = await listen()
})
afterAll(() => service.close())

const { aModel, use } = createUse(() => service.url)

describe('what cannot be used', () => {
  test.each<[string, string[], number, string]>([
    ['a file that is not there', ['train', 'nope.csv'], 1, 'There is no file nope.csv'],
    ['a folder', ['train', '.'], 1, 'Expected a file, got the folder .'],
    [
      'an empty file',
      ['train', 'empty.csv'],
      1,
      'empty.csv is empty: expected CSV with a header line',
    ],
    ['a file without rows', ['train', 'header.csv'], 1, 'header.csv has a header but no rows'],
    [
      'a row that is too short',
      ['train', 'ragged.csv'],
      1,
      'ragged.csv:3: Expected 3 cells as in the header, got 2',
    ],
    [
      'a word where a number belongs',
      ['train', 'word.csv'],
      1,
      'word.csv:3: Expected a number in column `disease_cases`, got "x"',
    ],
    [
      'semicolons',
      ['train', 'semicolons.csv'],
      1,
      'semicolons.csv:1: Expected commas between the columns, got semicolons; --delimiter semicolon reads them',
    ],
    [
      'a spreadsheet',
      ['train', 'sheet.csv'],
      1,
      'sheet.csv:1: Expected CSV, got a spreadsheet or another binary file; save it as CSV (UTF-8)',
    ],
    [
      'decimal commas',
      ['train', 'french.csv', '--delimiter', 'semicolon'],
      1,
      'french.csv:2: Expected a number in column `rainfall`, got "1,5": --decimal , reads decimal commas',
    ],
    [
      'a date of another format',
      ['train', 'good.csv', '--date-format', '%d/%m/%Y'],
      1,
      'good.csv:2: Expected a date written as %d/%m/%Y in column `time_period`, got "2024-01" (and 3 more such cells)',
    ],
    [
      'a date format that is none',
      ['train', 'good.csv', '--date-format', '%q'],
      2,
      '--date-format: Expected a date format such as %d/%m/%Y',
    ],
    [
      'a new name for a column that is not there',
      ['train', 'good.csv', '--map', 'date=time_period'],
      1,
      'good.csv:1: Expected a column "date" to rename, got "time_period", "location", "disease_cases"',
    ],
    ['a map that is none', ['train', 'good.csv', '--geo', 'good.csv'], 1, 'good.csv is not JSON:'],
    [
      'a URL that is none',
      ['train', 'good.csv', '--url', 'localhost'],
      2,
      "Expected --url to be a URL such as http://127.0.0.1:8000, got 'localhost'",
    ],
    [
      'a config that is not there',
      ['train', 'good.csv', '--config', 'nope'],
      5,
      "The service has no config 'nope'",
    ],
    [
      'an id that is none',
      ['job', 'watch', 'nope'],
      2,
      "Expected the id of a job, or latest, got 'nope'",
    ],
    ['a job that is not there', ['job', 'logs', '01M82EBCXSJH55R1P2FPAESF2G'], 5, 'not found'],
    [
      'an interval that is none',
      ['predict', 'good.csv', 'good.csv', '--interval', '200'],
      2,
      "--interval: expected percent from 1 to 99, got '200'",
    ],
  ])('%s ends with one line and its exit code', async (_name, args, code, reason) => {
    const cwd = folderWith({
      'good.csv': trainCsv,
      'empty.csv': '',
      'header.csv': 'time_period,location,disease_cases\n',
      'ragged.csv': 'time_period,location,disease_cases\n2024-01,a,1\n2024-02,a\n',
      'word.csv': 'time_period,location,disease_cases\n2024-01,a,1\n2024-02,a,x\n',
      'semicolons.csv': 'time_period;location;disease_cases\n2024-01;a;1\n',
      'french.csv': 'time_period;location;rainfall\n2024-01;a;1,5\n',
      'sheet.csv': 'PK\u0003\u0004',
    })
    const ended = await use(args, { cwd })
    expect({ code: ended.code, out: ended.out }).toEqual({ code, out: '' })
    expect(ended.err).toContain(`chapkit: ${reason}`.replace('chapkit: not', 'not'))
    expect(
      ended.err
        .replace(/\(add --help.*\)\n/, '')
        .trimEnd()
        .split('\n'),
    ).toHaveLength(1)
    expect(ended.err).not.toContain('    at ')
  })

  test('a service that is down ends with 3 and says how to start one', async () => {
    const down = await listen()
    await down.close()
    expect(await run(['job', 'list', '--url', down.url])).toEqual({
      code: 3,
      out: '',
      err: `chapkit: No service answers at ${down.url}. Start one with chapkit dev, or name another with --url\n`,
    })
  })

  test.each([200, 404])('another server there, which answers %d, ends with 3', async (status) => {
    const other = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>Printer</h1>')
    })
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
    onTestFinished(() => void other.close())
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    const { code, err } = await run(['config', 'list', '--url', url])
    expect(code).toBe(3)
    expect(err).toMatch(/^chapkit: Expected .* chapkit service.*\n$/)
  })

  test('a service that wants a key ends with 4, takes one from the environment, and shows none', async () => {
    const locked = await listen({ apiKey: 'a-key-that-nobody-can-guess-0000' })
    onTestFinished(() => locked.close())
    const refused = await run(['job', 'list', '--url', locked.url])
    expect(refused.code).toBe(4)
    expect(refused.err).toContain('CHAPKIT_API_KEY')
    const env = { CHAPKIT_API_KEY: 'a-key-that-nobody-can-guess-0000' }
    expect((await run(['job', 'list', '--url', locked.url], { env })).code).toBe(0)

    const key = 'another-key-of-somebody-else-0000'
    const wrong = await run(['job', 'list', '--url', locked.url, '--api-key', key])
    expect(wrong.code).toBe(4)
    expect(wrong.err).toContain('others on this machine can see a key on a command line')
    expect(wrong.err).not.toContain(key)
  })
})

describe('output', () => {
  const shell = (script: string) =>
    start(['sh', '-c', script, ...chapkit], { env: { CHAPKIT_URL: service.url } }).ended

  test('that has no room is told, with 1', async () => {
    expect(await shell('"$0" "$@" config list > /dev/full')).toEqual({
      code: 1,
      out: '',
      err: 'chapkit: the output cannot be written: its disk is full\n',
    })
  })

  test('that nobody reads any more ends the command silently', async () => {
    const { out, err } = await shell('{ "$0" "$@" artifact --help; echo $? >&2; } | true')
    expect(out).toBe('')
    expect(err).toBe('0\n')
  })

  test('to a file has no colours and no bar', async () => {
    const { out, err } = await use(['config', 'list'], { env: { NO_COLOR: undefined } as never })
    expect(out + err).not.toContain('\u001b')
  })

  test('into a folder that is not there changes nothing', async () => {
    const cwd = data()
    await aModel(cwd)
    const ended = await use(['predict', 'train.csv', 'future.csv', '-o', 'no/forecast.csv'], {
      cwd,
    })
    expect(ended).toMatchObject({
      code: 1,
      err: 'chapkit: no/forecast.csv cannot be written: there is no folder no\n',
    })
    expect(existsSync(join(cwd, 'no'))).toBe(false)
  })
})
