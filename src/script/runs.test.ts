import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { testWith } from '../../test/setup/needs.ts'
import { counting, makeFolder, startScripts, train } from './fixtures/project.ts'
import { findProcesses } from './leftovers.ts'

describe('training', () => {
  test('runs the command on a copy of the project with its inputs as files', async () => {
    const service = await startScripts({
      ...counting,
      'train.sh': 'ls; cat config.yml data.csv; test -e geo.json || echo no geo; pwd > where.txt',
      'lib/help.txt': 'help',
    })
    const { job, id } = await service.train({ 'n-lags': 2, text: '; id `id` $(id)\n--x' })
    expect(job).toMatchObject({ status: 'completed', error: null })
    const { json } = await service.request('GET', `/api/v1/artifacts/${id}`)
    expect(json.data.metadata).toMatchObject({ status: 'success', exit_code: 0, stderr: '' })
    expect(json.data.metadata.stdout).toBe(
      `config.yml\ndata.csv\nlib\npredict.sh\ntrain.sh\n${[
        'additional_continuous_covariates: []',
        'n-lags: 2',
        'prediction_periods: 3',
        'text: "; id `id` $(id)\\n--x"',
        'time_period,location,disease_cases,rainfall',
        '2024-01,007,3,1.5',
        '2024-02,007,4,',
      ].join('\n')}\nno geo\n`,
    )
    const files = await service.workspace(id)
    expect([...files.keys()]).toEqual([
      'config.yml',
      'data.csv',
      'lib/help.txt',
      'predict.sh',
      'train.sh',
      'where.txt',
    ])
    expect(files.get('where.txt')).not.toContain(service.project)
    expect(existsSync(join(service.project, 'where.txt'))).toBe(false)
  })

  test('has a last column that programs of a shell read as it is, and its workspace the same file', async () => {
    const service = await startScripts({
      ...counting,
      'train.sh': 'tail -n 2 data.csv | cut -d, -f4 | od -An -c; cp data.csv copy.csv',
    })
    const { id } = await service.train()
    const { json } = await service.request('GET', `/api/v1/artifacts/${id}`)
    expect(json.data.metadata.stdout.split(/\s+/).filter(Boolean)).toEqual([
      '1',
      '.',
      '5',
      '\\n',
      '\\n',
    ])
    const files = await service.workspace(id)
    expect(files.get('data.csv')).toBe(files.get('copy.csv'))
  })

  test.each([
    [{ area: ['x', 'caf\ud83d'] }, ['area', 1]],
    [{ area: { name: 'a\0b' } }, ['area', 'name']],
    [{ 'k\udc00': 1 }, ['k\udc00']],
  ])(
    'is refused a config with text that no file can hold, when it is stored',
    async (data, path) => {
      const service = await startScripts(counting)
      const { status, json } = await service.request('POST', '/api/v1/configs', { name: 'a', data })
      expect({ status, loc: json.errors[0].loc }).toEqual({
        status: 422,
        loc: ['body', 'data', ...path],
      })
      expect(json.errors[0].msg).toMatch(/^Expected well-formed Unicode text without NUL, got "/)
    },
  )

  test('names the file of the geometry only when there is one', async () => {
    const service = await startScripts(
      { ...counting, 'train.sh': 'echo "$#:$1"; cat geo.json' },
      { trainCommand: 'sh train.sh {geo_file}' },
    )
    const geo = { type: 'FeatureCollection', features: [] }
    const { id } = await service.train({}, { geo })
    const { json } = await service.request('GET', `/api/v1/artifacts/${id}`)
    expect(json.data.metadata.stdout).toMatch(/^1:geo\.json\n\{\s*"type":\s*"FeatureCollection"/)
    const without = await service.train()
    const other = await service.request('GET', `/api/v1/artifacts/${without.id}`)
    expect(other.json.data.metadata.stdout).toBe('0:\n')
  })

  test('gives options as chap-core lays them out', async () => {
    const service = await startScripts(
      { ...counting, 'train.sh': 'cat config.yml' },
      { configFormat: 'chap_core' },
    )
    const { id } = await service.train({ prediction_periods: 2, 'n-lags': 5, name: 'x' })
    const { json } = await service.request('GET', `/api/v1/artifacts/${id}`)
    expect(json.data.metadata.stdout).toBe(
      'additional_continuous_covariates: []\nprediction_periods: 2\nuser_option_values:\n  n-lags: 5\n  name: x\n',
    )
  })

  test('that fails fails its job, with the exit code and the end of stderr, and keeps what it left', async () => {
    const service = await startScripts({
      ...counting,
      'train.sh': 'echo begun; echo half > half.txt; echo "no such column: rain" >&2; exit 3',
    })
    const { job, id } = await service.train()
    expect(job).toMatchObject({
      status: 'failed',
      error: 'The train command ended with exit code 3:\nno such column: rain',
    })
    const { json } = await service.request('GET', `/api/v1/artifacts/${id}`)
    expect(json.data.metadata).toMatchObject({
      ...{ status: 'failed', exit_code: 3, stdout: 'begun\n', stderr: 'no such column: rain\n' },
    })
    expect((await service.workspace(id)).get('half.txt')).toBe('half\n')
    const refused = await service.predict(id)
    expect(refused.answer.status).toBe(409)
    expect(refused.answer.json.detail).toContain('exit_code=3')
  })

  test('that says on stdout alone why it fails is told with that', async () => {
    const service = await startScripts({
      ...counting,
      'train.sh': 'echo "Fatal error: no such file"; exit 2',
    })
    const { job } = await service.train()
    expect(job.error).toBe('The train command ended with exit code 2:\nFatal error: no such file')
  })

  test('takes the project as it is at that moment', async () => {
    const service = await startScripts(counting)
    await service.train()
    writeFileSync(join(service.project, 'train.sh'), 'echo second > model.txt')
    const { id } = await service.train()
    const files = await service.workspace(id)
    expect(files.get('model.txt')).toBe('second\n')
    expect(files.get('train.sh')).toBe('echo second > model.txt')
  })

  test('has the data of the project, and none of the service, where both are in one folder', async () => {
    const project = makeFolder({
      ...counting,
      'data/lookup.csv': 'a,b',
      'train.sh': 'find . -type f',
    })
    const service = await startScripts(
      {},
      { project },
      { databaseUrl: join(project, 'data/own.store'), tempDir: null },
    )
    const { id } = await service.train()
    expect([...(await service.workspace(id)).keys()]).toEqual([
      'config.yml',
      'data.csv',
      'data/lookup.csv',
      'predict.sh',
      'train.sh',
    ])
  })

  test('twice stores the project once', async () => {
    const big = 'x'.repeat(300_000)
    const service = await startScripts({ ...counting, 'a.txt': big, 'b.txt': `${big}b` })
    const bytes = async () => {
      const rows = await service.parts.database.read.selectFrom('blob').select('size').execute()
      return rows.reduce((sum, { size }) => sum + size, 0)
    }
    await service.train()
    const once = await bytes()
    const { id } = await service.train()
    expect((await bytes()) - once).toBeLessThan(2000)
    const before = await bytes()
    const { job } = await service.predict(id)
    expect(job.status).toBe('completed')
    expect((await bytes()) - before).toBeLessThan(4000)
  })
})

describe('predicting', () => {
  test('finds the folder as training left it and reads what the command writes', async () => {
    const service = await startScripts(counting)
    const { id } = await service.train()
    const { job, id: prediction } = await service.predict(id)
    expect(job).toMatchObject({ status: 'completed', error: null })
    const { json } = await service.request('GET', `/api/v1/artifacts/${prediction}`)
    expect(json.data.content).toMatchObject({
      columns: ['time_period', 'location', 'sample_0'],
      data: [
        ['2024-03', '007', 3],
        ['2024-04', '007', 3],
      ],
    })
    const tree = await service.request('GET', `/api/v1/artifacts/${id}/$tree`)
    const [level1] = tree.json.children
    const [level2] = level1.children
    expect(level1.data).toMatchObject({ type: 'ml_prediction', metadata: { status: 'success' } })
    expect(level2.data).toMatchObject({
      type: 'ml_prediction_workspace',
      metadata: { status: 'success', exit_code: 0, stderr: 'predicted\n' },
    })
    const files = await service.workspace(level2.id)
    expect([...files.keys()].sort()).toEqual(
      [
        'config.yml',
        'data.csv',
        'future.csv',
        'historic.csv',
        'model.txt',
        'predict.sh',
        'predictions.csv',
        'train.sh',
      ].sort(),
    )
    expect(files.get('future.csv')).toContain('2024-04,007,2.25')
  })

  test('never changes the workspace of the training, whatever it does to its own', async () => {
    const service = await startScripts({
      ...counting,
      'predict.sh': `rm train.sh; echo changed > model.txt; echo more > new.txt
printf 'time_period,location,sample_0\\n2024-03,007,1\\n2024-04,007,1\\n' > "$2"`,
    })
    const { id } = await service.train()
    const before = await service.request('GET', `/api/v1/artifacts/${id}/$download`)
    for (let round = 0; round < 3; round++) {
      const { job, id: prediction } = await service.predict(id)
      expect(job.status).toBe('completed')
      const tree = await service.request('GET', `/api/v1/artifacts/${prediction}/$tree`)
      const files = await service.workspace(tree.json.children[0].id)
      expect(files.get('model.txt')).toBe('changed\n')
      expect(files.get('new.txt')).toBe('more\n')
      expect(files.has('train.sh')).toBe(false)
    }
    const after = await service.request('GET', `/api/v1/artifacts/${id}/$download`)
    expect(after.bytes.equals(before.bytes)).toBe(true)
  })

  const output = (text: string, more = '') => ({
    ...counting,
    'predict.sh': `printf '${text}' > "$2"\n${more}`,
  })

  test.each([
    [
      'nothing is written',
      { ...counting, 'predict.sh': 'echo done' },
      /exit code 0 and has not written predictions\.csv/,
    ],
    [
      'the file of a training is all there is',
      { ...counting, 'train.sh': 'echo a,b > predictions.csv', 'predict.sh': 'true' },
      /has not written predictions\.csv/,
    ],
    [
      'it fails after it has written',
      output('time_period,location,sample_0\\n2024-03,007,1\\n', 'echo bad >&2; exit 9'),
      /^The predict command ended with exit code 9:\nbad$/,
    ],
    ['the file is empty', output(''), /predictions\.csv is empty/],
    [
      'there is a header only',
      output('time_period,location,sample_0\\n'),
      /predictions\.csv has no rows/,
    ],
    [
      'a row is too long',
      output('time_period,location,sample_0\\n2024-03,007,1,2\\n'),
      /line 2: .*3/,
    ],
    [
      'a sample is no number',
      output('time_period,location,sample_0\\n2024-03,007,nan\\n'),
      /line 2: Expected a number in column `sample_0`, got "nan"/,
    ],
    ['it is not UTF-8', output('time_period,location,sample_0\\n2024-03,\\377,1\\n'), /UTF-8/],
    [
      'a folder stands in its place',
      { ...counting, 'predict.sh': 'mkdir "$2"' },
      /predictions\.csv is no ordinary file/,
    ],
    [
      'it is a link',
      { ...counting, 'predict.sh': 'ln -s /etc/passwd "$2"' },
      /predictions\.csv is no ordinary file/,
    ],
    ['it is killed', { ...counting, 'predict.sh': 'kill -9 $$' }, /was ended by SIGKILL/],
  ])('fails when %s, and its folder can be looked at', async (_when, files, error) => {
    const service = await startScripts(files)
    const { id } = await service.train()
    const { job, id: prediction } = await service.predict(id)
    expect(job.status).toBe('failed')
    expect(job.error).toMatch(error)
    const { json } = await service.request('GET', `/api/v1/artifacts/${prediction}`)
    expect(json.data).toMatchObject({
      type: 'ml_prediction_workspace',
      metadata: { status: 'failed' },
    })
    expect((await service.workspace(prediction)).has('historic.csv')).toBe(true)
  })

  test('reads codes, text and numbers as they are written', async () => {
    const service = await startScripts(
      output(
        'time_period,location,code,answer,sample_0,sample_1\\n2024-03,007,0012,yes,0.1000000000000000055,1e-05\\n2024-04,007,0013,no,2,3e5\\n',
      ),
    )
    const { id } = await service.train()
    const { id: prediction } = await service.predict(id)
    const { json } = await service.request('GET', `/api/v1/artifacts/${prediction}`)
    expect(json.data.content.data).toEqual([
      ['2024-03', '007', '0012', 'yes', 0.1, 0.00001],
      ['2024-04', '007', '0013', 'no', 2, 300_000],
    ])
  })
})

/** A train command that tells how often it was run. */
async function startCounted(files: Readonly<Record<string, string>>, settings = {}) {
  const trace = join(makeFolder(), 'trace')
  const service = await startScripts(
    { ...counting, ...files, 'train.sh': `echo run >> "${trace}"\n${files['train.sh']}` },
    {},
    settings,
  )
  const runs = () => readFileSync(trace, 'utf8').trim().split('\n').length
  const logs = async (jobId: string): Promise<string> =>
    (await service.request('GET', `/api/v1/jobs/${jobId}/$logs`)).text
  return { ...service, runs, logs }
}

const wellDone = `printf 'time_period,location,sample_0\\n2024-03,007,1\\n2024-04,007,1\\n' > "$2"\n`

describe('a command that ended well', () => {
  const odd = String.raw`
mkdir plots 'trailing. ' && mkdir -m 700 private && mkdir -p deep/er
odd() { printf "$2" > "$(printf "$1")"; }
odd 'mod\351le.rds' latin1
odd 'output\\model.rds' backslash
odd 'C:model.rds' drive
odd 'trailing. /x.' dots
odd 'two\nlines' newline
odd '\033[31mred' escape
odd 'A' upper
odd 'a' lower
odd '\303\251' composed
odd 'e\314\201' decomposed
odd 'CON' reserved
odd '.. ' blank
odd '%%5C' percent
odd "$(printf '%0255d' 0)" long
printf x > -rf
echo '#!/bin/sh' > tool.sh; chmod 755 tool.sh
printf locked > locked; chmod 0 locked
ln -s tool.sh latest
ln -s "$PWD/deep" deep/whole
`
  const look = 'find . -mindepth 1 -printf "%y %m %l %p\\0" | LC_ALL=C sort -z | sha256sum'
  const inputs = "! -name '*.csv' ! -name config.yml ! -name whole"

  test('runs once, and a prediction finds all that it left, whatever its name', async () => {
    const list = look.replace('-printf', `${inputs} -printf`)
    const service = await startCounted({
      'train.sh': `${odd}\n${list}`,
      'predict.sh': `${list}\ncat "$(printf 'mod\\351le.rds')" latest; echo p > plots/p\n${wellDone}`,
    })
    const { job, id } = await service.train()
    expect(job).toMatchObject({ status: 'completed', error: null })
    expect(service.runs()).toBe(1)
    const trained = await service.request('GET', `/api/v1/artifacts/${id}`)
    const predicted = await service.predict(id)
    expect(predicted.job).toMatchObject({ status: 'completed', error: null })
    const tree = await service.request('GET', `/api/v1/artifacts/${predicted.id}/$tree`)
    const { stdout } = tree.json.children[0].data.metadata
    expect(stdout).toBe(`${trained.json.data.metadata.stdout}latin1#!/bin/sh\n`)
  })

  testWith('unzip')('can be downloaded, its odd names in percent-encoding', async () => {
    const service = await startCounted({ 'train.sh': odd })
    const { id } = await service.train()
    const { status, bytes } = await service.request('GET', `/api/v1/artifacts/${id}/$download`)
    expect(status).toBe(200)
    const folder = makeFolder()
    writeFileSync(join(folder, 'w.zip'), bytes)
    const said = execFileSync('unzip', ['-d', join(folder, 'w'), join(folder, 'w.zip')], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    })
    expect(said).toContain('%XX stands for a byte')
    const names = ['mod%E9le.rds', 'output%5Cmodel.rds', 'C%3Amodel.rds', '%255C', 'trailing. /x.']
    expect(names.map((name) => readFileSync(join(folder, 'w', name), 'utf8'))).toEqual([
      'latin1',
      'backslash',
      'drive',
      'percent',
      'dots',
    ])
    expect(existsSync(join(folder, 'w', 'plots'))).toBe(true)
    expect(readlinkSync(join(folder, 'w', 'deep/whole'))).toBe('../deep')
  })

  test.each([
    ['removes its folder', 'rm -rf "$PWD"', 'the script has removed or moved it'],
    ['moves its folder', 'mv "$PWD" "$PWD-moved"', 'the script has removed or moved it'],
    [
      'puts a file in its place',
      'here=$PWD; rm -rf "$here"; echo x > "$here"',
      'the script has put a file in its place',
    ],
    [
      'puts a link in its place',
      'here=$PWD; mv "$here" "$here-moved"; ln -s "$here-moved" "$here"',
      'the script has put a link in its place',
    ],
  ])('and %s fails, saying so, and runs once', async (_what, script, reason) => {
    const service = await startCounted({
      'train.sh': `echo trained; if [ -e go ]; then ${script}; fi`,
      'predict.sh': `${wellDone}${script}`,
    })
    const { id: model } = await service.train()
    const predicted = await service.predict(model)
    expect(predicted.job).toMatchObject({
      status: 'failed',
      error: `The predict command ended with exit code 0, but its folder is gone: ${reason}`,
    })
    writeFileSync(join(service.project, 'go'), '')
    const { job, id } = await service.train()
    expect(job).toMatchObject({
      status: 'failed',
      error: `The train command ended with exit code 0, but its folder is gone: ${reason}`,
    })
    expect(service.runs()).toBe(2)
    const { json } = await service.request('GET', `/api/v1/artifacts/${id}`)
    expect(json.data.metadata).toMatchObject({ status: 'failed', stdout: 'trained\n' })
    expect((await service.workspace(id)).size).toBe(0)
    rmSync(join(service.project, 'go'))
    expect((await service.train()).job.status).toBe('completed')
    await service.close()
    expect(readdirSync(service.temp)).toEqual([])
  })

  test('and takes away the right to its folder is stored', async () => {
    const service = await startCounted({
      'train.sh': 'mkdir in; echo m > in/model; chmod 0 in/model in; chmod 0 .',
    })
    const { job, id } = await service.train()
    expect(job).toMatchObject({ status: 'completed', error: null })
    expect((await service.workspace(id)).get('in/model')).toBe('m\n')
  })

  test('and leaves pipes and links to outside is stored without them, and told', async () => {
    const service = await startCounted({ 'train.sh': 'mkfifo queue; ln -s /etc/passwd users' })
    const { job } = await service.train()
    expect(job.status).toBe('completed')
    const logs = await service.logs(job.id)
    expect(logs).toContain('queue is a pipe and is not kept')
    expect(logs).toContain('users is a link and is not kept: it leads outside')
  })

  test('and leaves more folders below each other than a path can say fails, and the rest is kept', async () => {
    const service = await startCounted({
      'train.sh': `echo m > model; n=$(printf '%0240d' 0)
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do mkdir $n; cd -P $n; done; echo x > y`,
    })
    const { job, id } = await service.train()
    expect(job.status).toBe('failed')
    expect(job.error).toMatch(
      /^The train command ended with exit code 0, but not all that it left can be stored; the rest is kept\. .*0" cannot be read \(ENAMETOOLONG\)$/,
    )
    expect(service.runs()).toBe(1)
    expect((await service.workspace(id)).get('model')).toBe('m\n')
    await service.close()
    expect(readdirSync(service.temp)).toEqual([])
  })

  test('waits for the store of the service while that cannot be used, and does not run again', async () => {
    const data = makeFolder()
    const store = join(data, 'own.blobs')
    const service = await startCounted(
      { 'train.sh': `head -c 100000 /dev/urandom > model.bin; mv "${store}" "${store}-gone"` },
      { databaseUrl: join(data, 'own.db') },
    )
    const config = await service.request('POST', '/api/v1/configs', { name: 'one', data: {} })
    const body = { config_id: config.json.id, data: train }
    const { json } = await service.request('POST', '/api/v1/ml/$train', body)
    const isWaiting = (id: string) =>
      expect.poll(() => service.logs(id), { timeout: 20_000 }).toContain('cannot be stored yet')
    await isWaiting(json.job_id)
    rmSync(store, { recursive: true, force: true })
    renameSync(`${store}-gone`, store)
    const job = await service.waitForJob(json.job_id)
    expect(job).toMatchObject({ status: 'completed', error: null })
    expect(service.runs()).toBe(1)
    expect((await service.workspace(json.artifact_id)).has('model.bin')).toBe(true)

    const other = (await service.request('POST', '/api/v1/ml/$train', body)).json
    await isWaiting(other.job_id)
    await service.request('POST', `/api/v1/jobs/${other.job_id}/$cancel`)
    expect(await service.waitForJob(other.job_id)).toMatchObject({ status: 'canceled' })
    expect(service.runs()).toBe(2)
  })
})

test('empty folders of a project are there when a script is run', async () => {
  const service = await startScripts({
    ...counting,
    'train.sh': 'echo x > output/plots/a.txt && mkdir left',
    'predict.sh': `echo y > left/b.txt || exit 1\n${wellDone}`,
  })
  mkdirSync(join(service.project, 'output/plots'), { recursive: true })
  const { job, id } = await service.train()
  expect(job).toMatchObject({ status: 'completed', error: null })
  expect((await service.predict(id)).job).toMatchObject({ status: 'completed', error: null })
})

test('a project whose files have any name is copied', async () => {
  const name = Buffer.from('donn\xe9es.csv', 'latin1')
  const service = await startScripts({
    ...counting,
    'train.sh': 'cat "$(printf \'donn\\351es.csv\')"',
  })
  writeFileSync(Buffer.concat([Buffer.from(`${service.project}/`), name]), 'bytes')
  const { job, id } = await service.train()
  expect(job.status).toBe('completed')
  const { json } = await service.request('GET', `/api/v1/artifacts/${id}`)
  expect(json.data.metadata.stdout).toBe('bytes')
})

test('a training does not begin while an ignore file cannot be read', async () => {
  const service = await startCounted({ 'train.sh': 'true', '.chapkitignore': 'secret\0' })
  const { job } = await service.train()
  expect(job.status).toBe('failed')
  expect(job.error).toContain('The ignore file ".chapkitignore" holds zero bytes')
  expect(existsSync(join(service.project, 'trace'))).toBe(false)
})

describe('a command', () => {
  test('that is not installed says so', async () => {
    const service = await startScripts(counting, { trainCommand: 'no-such-program x' })
    const { job } = await service.train()
    expect(job.error).toBe(
      'The train command could not be started: the program "no-such-program" was not found; is it installed, and in the PATH of the service?',
    )
  })

  test('may be a script of the project', async () => {
    const service = await startScripts(
      { ...counting, 'bin/train': '#!/bin/sh\necho own > model.txt\n' },
      { trainCommand: 'bin/train' },
    )
    const { job } = await service.train()
    expect(job.status).toBe('completed')
  })

  test('gets the environment that it needs and no secret of the service', async () => {
    process.env.CHAPKIT_TEST_SECRET = 'hush'
    process.env.CHAPKIT_TEST_PASSED = 'yes'
    try {
      const service = await startScripts(
        { ...counting, 'train.sh': 'env; echo "tmp: $(test -d "$TMPDIR" && echo there)"' },
        { env: { CHAPKIT_TEST_PASSED: true, MODEL: 'a b' } },
      )
      const { id } = await service.train()
      const { json } = await service.request('GET', `/api/v1/artifacts/${id}`)
      const { stdout } = json.data.metadata
      expect(stdout).toMatch(/^MODEL=a b$/m)
      expect(stdout).toMatch(/^PATH=/m)
      expect(stdout).toMatch(/^CHAPKIT_RUN_ID=/m)
      expect(stdout).toContain('tmp: there')
      expect(stdout).toContain('CHAPKIT_TEST_PASSED=yes')
      expect(stdout).not.toContain('hush')
    } finally {
      delete process.env.CHAPKIT_TEST_SECRET
      delete process.env.CHAPKIT_TEST_PASSED
    }
  })

  test('gets what changes its numbers, a decimal point and a UTF-8 locale, all told in the lineage', async () => {
    const given = {
      OMP_NUM_THREADS: '1',
      OPENBLAS_CORETYPE: 'Haswell',
      MKL_CBWR: 'COMPATIBLE',
      GOTO_NUM_THREADS: '1',
      BLIS_NUM_THREADS: '1',
      VECLIB_MAXIMUM_THREADS: '1',
      NUMEXPR_MAX_THREADS: '2',
      PYTHONHASHSEED: '7',
      TZ: 'Africa/Kampala',
      SOURCE_DATE_EPOCH: '1700000000',
    }
    for (const [name, value] of Object.entries({ ...given, LC_ALL: 'POSIX', HF_TOKEN: 'hush' }))
      vi.stubEnv(name, value)
    onTestFinished(() => void vi.unstubAllEnvs())
    const service = await startScripts(
      { ...counting, 'train.sh': 'env; wc -l < data.csv > model.txt' },
      { env: { HF_TOKEN: true, REGION: 'north', MKL_NUM_THREADS: '3' } },
    )
    const { id } = await service.train()
    const { json } = await service.request('GET', `/api/v1/artifacts/${id}`)
    const lines: string[] = json.data.metadata.stdout.split('\n')
    for (const [name, value] of Object.entries(given)) expect(lines).toContain(`${name}=${value}`)
    expect(lines).toContain('LC_NUMERIC=C')
    expect(lines.find((line) => line.startsWith('LANG='))).toMatch(/utf-?8$/i)
    expect(lines.filter((line) => line.startsWith('LC_ALL'))).toEqual([])

    const lineage = await service.request('GET', `/api/v1/artifacts/${id}/$lineage`)
    expect(lineage.json.environment.variables).toMatchObject({
      ...given,
      MKL_NUM_THREADS: '3',
      LC_NUMERIC: 'C',
    })
    // By name only: a value may be a secret.
    expect(lineage.json.environment.names).toEqual(expect.arrayContaining(['HF_TOKEN', 'REGION']))
    expect(lineage.text).not.toMatch(/hush|north/)
    const predicted = await service.predict(id)
    const { json: later } = await service.request(
      'GET',
      `/api/v1/artifacts/${predicted.id}/$lineage`,
    )
    expect(later.environment).toEqual(lineage.json.environment)
  })

  test('is read while it runs, and ended with all that it started when its job is canceled', async () => {
    const service = await startScripts({
      ...counting,
      'train.sh': `trap '' TERM
(trap '' TERM; sleep 600) & setsid sh -c 'trap "" TERM; sleep 600' &
echo ready "$CHAPKIT_RUN_ID"
while true; do sleep 1; done`,
    })
    const config = await service.request('POST', '/api/v1/configs', { name: 'one', data: {} })
    const body = { config_id: config.json.id, data: train }
    const { json } = await service.request('POST', '/api/v1/ml/$train', body)
    const logs = `/api/v1/jobs/${json.job_id}/$logs`
    let run = ''
    await expect
      .poll(
        async () => {
          run = /ready ([\w-]+)/.exec((await service.request('GET', logs)).text)?.[1] ?? ''
          return run
        },
        { timeout: 10_000 },
      )
      .not.toBe('')
    expect(findProcesses(run).length).toBeGreaterThanOrEqual(3)
    await service.request('POST', `/api/v1/jobs/${json.job_id}/$cancel`)
    const job = await service.waitForJob(json.job_id)
    expect(job.status).toBe('canceled')
    expect(findProcesses(run)).toEqual([])
  }, 30_000)

  test('that takes longer than it may is stopped', async () => {
    const service = await startScripts(
      { ...counting, 'train.sh': 'echo half > half.txt; sleep 600' },
      { timeoutSeconds: 0.3 },
    )
    const { job, id } = await service.train()
    expect(job.error).toBe(
      'The train command was stopped after 0.3 seconds, the time that it may take',
    )
    expect((await service.workspace(id)).get('half.txt')).toBe('half\n')
  })

  test('leaves no process and no folder behind', async () => {
    const service = await startScripts({
      ...counting,
      'train.sh': `cp data.csv "$TMPDIR/copy"; mkdir locked; touch locked/x; chmod 000 locked
sleep 600 & echo "$CHAPKIT_RUN_ID" > run.txt`,
    })
    const { job, id } = await service.train()
    expect(job.status).toBe('completed')
    const run = (await service.workspace(id)).get('run.txt')!.trim()
    expect(findProcesses(run)).toEqual([])
    await service.close()
    expect(readdirSync(service.temp)).toEqual([])
  })

  test('may not take more than its limits', async () => {
    const service = await startScripts(
      { ...counting, 'train.sh': 'head -c 5000000 /dev/zero > big.bin' },
      { limits: { fileBytes: 1_000_000 } },
    )
    const { job } = await service.train()
    expect(job.status).toBe('failed')
    expect(job.error).toMatch(/SIGXFSZ|exit code 153|File size limit|File too large/)
  })
})
