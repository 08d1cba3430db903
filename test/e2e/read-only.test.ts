import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { DataFrame } from 'chapkit'
import { expect, onTestFinished, test } from 'vitest'
import { planProject } from '../../src/cli/init/plan.ts'
import { type TemplateName, templates } from '../../src/cli/init/templates.ts'
import { type Program, testWith } from '../setup/needs.ts'

const root = resolve(import.meta.dirname, '../..')

/** As another user, with no right beyond those of that user. */
const asUser = [
  ...['setpriv', '--reuid', '1000', '--regid', '1000', '--clear-groups', '--no-new-privs'],
  ...['--bounding-set', '-all', '--inh-caps', '-all'],
]

/** Whether this machine can do what a container does: a file system of its own, and another user who may read this checkout. */
const canContain =
  spawnSync('unshare', ['-m', ...asUser, process.execPath, join(root, 'src/version.ts')]).status ===
  0

/** A read-only disk but for the data and an empty /tmp, where nothing can be run; the checkout is there, even one below /tmp. */
const contain = `set -e
mount --make-rprivate /
mount --bind "$1" /mnt
mount -t tmpfs -o mode=1777,noexec,nosuid,nodev tmpfs /tmp
mkdir -p "$1"
mount --bind /mnt "$1"
umount /mnt
mount -o remount,bind,ro "$1"
mount --bind "$2" "$2"
mount -o remount,bind,rw "$2"
mount -o remount,bind,ro /
cd "$PWD"
shift 2
if touch "$PWD/here" 2>/dev/null; then exit 9; fi
exec "$@"`

/** What a Dockerfile sets, and starts. */
function readImage(text: string) {
  const lines = text.replaceAll('\\\n', ' ').split('\n')
  const given = (word: string) =>
    lines
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.slice(word.length + 1).trim())
  const env = Object.fromEntries(
    given('ENV').flatMap((line) => line.split(/\s+/).map((pair) => pair.split('=') as [string])),
  ) as Record<string, string>
  return { env, command: JSON.parse(given('CMD')[0]!) as string[] }
}

for (const template of ['shell-python', 'shell-r', 'mlproject'] satisfies TemplateName[]) {
  const needs = testWith(templates[template].needs.program as Program)
  const it = (canContain ? needs : test.skip) as typeof test
  it(`the image of ${template} trains and forecasts as a user without rights on a read-only disk`, async () => {
    // Not below /tmp, in whose place the container has an empty one.
    mkdirSync(join(root, 'test/.docs'), { recursive: true })
    const folder = mkdtempSync(join(root, 'test/.docs/read-only-'))
    spawnSync('chmod', ['755', folder])
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const files = planProject({
      ...{ name: 'dengue', title: 'Dengue', template, period: 'monthly' },
      ...{ validation: false, chapkit: '*' },
    })
    for (const [path, text] of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules/chapkit'))
    symlinkSync(join(root, 'node_modules/zod'), join(folder, 'node_modules/zod'))
    const { env, command } = readImage(files.get('Dockerfile')!)
    const data = env.CHAPKIT_DATA_DIR!.replace(/^\/app/, folder)
    mkdirSync(data)
    chownSync(data, 1000, 1000)

    const [, ...args] = command.map((word) => word.replace('dist/cli/bin.js', 'src/cli/bin.ts'))
    const child = spawn(
      'unshare',
      [
        ...['-m', 'sh', '-c', contain, 'sh', root, data, ...asUser],
        ...[process.execPath, '--conditions=chapkit-source', ...args],
      ],
      {
        cwd: folder,
        env: {
          ...env,
          ...{ PATH: '/usr/local/bin:/usr/bin:/bin', CHAPKIT_DATA_DIR: data },
          ...{ HOST: '127.0.0.1', PORT: '0', GIT_REVISION: 'abcdef0' },
          SERVICEKIT_ORCHESTRATOR_URL: '',
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    const exited = once(child, 'exit')
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await exited
    })
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    const url = await (async () => {
      for await (const line of createInterface({ input: child.stdout })) {
        said += `${line}\n`
        const [, found] = /"url":"(http:[^"]+)"/.exec(line) ?? []
        if (found !== undefined && line.includes('service.started')) return found
      }
      throw new Error(said)
    })()
    child.stdout.resume()
    expect(said).not.toContain('"level":"warn"')

    const post = async (path: string, body: object) => {
      const response = await fetch(`${url}/api/v1/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', prefer: 'wait=60' },
        body: JSON.stringify(body),
      })
      // biome-ignore lint/suspicious/noExplicitAny: the test says what it expects of an answer
      return (await response.json()) as any
    }
    const table = (name: string) => DataFrame.fromCsv(files.get(`sample/${name}`)!)
    const config = await post('configs', { name: 'one', data: { n_samples: 3 } })
    const trained = await post('ml/$train', {
      ...{ config_id: config.id, data: table('data.csv').toJson() },
    })
    expect(trained.job).toMatchObject({ status: 'completed', error: null })
    const predicted = await post('ml/$predict', {
      artifact_id: trained.artifact_id,
      historic: table('historic.csv').toJson(),
      future: table('future.csv').toJson(),
    })
    expect(predicted.job).toMatchObject({ status: 'completed', error: null })
    expect((await fetch(`${url}/health/ready`)).status).toBe(200)
    const info = await (await fetch(`${url}/api/v1/info`)).json()
    expect(info).toMatchObject({ git_revision: 'abcdef0', version: '1.0.0' })
    // What is stored is in the volume.
    expect(readdirSync(data)).toContain('chapkit.db')
    expect(readFileSync(join(data, 'chapkit.db')).subarray(0, 6).toString()).toBe('SQLite')
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  })
}
