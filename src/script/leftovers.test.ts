import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { endProcesses, findProcesses, runVariable } from './leftovers.ts'

/** Runs a shell script as a run would, in a session of its own. */
async function start(script: string, run = randomUUID()) {
  const child = spawn('/bin/sh', ['-c', script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { PATH: process.env.PATH ?? '', BEFORE: 'x', [runVariable]: run },
  })
  onTestFinished(() => void endProcesses({ run }))
  await once(child.stdout, 'data')
  return { pid: child.pid!, run }
}

test('what a run started is found wherever it went, and ended', async () => {
  const { run } = await start(
    '(sleep 600) & setsid sleep 600 & setsid setsid sleep 600 & echo; sleep 600',
  )
  await expect.poll(() => findProcesses(run).length).toBeGreaterThanOrEqual(4)
  expect(endProcesses({ run })).toBeGreaterThanOrEqual(4)
  expect(findProcesses(run)).toEqual([])
})

test('who begins the next and ends, again and again, does not get away', async () => {
  const again = 'echo "$0" > /dev/null; setsid sh -c "$0" "$0" & exit'
  for (let round = 0; round < 20; round++) {
    const { run, pid } = await start(`echo; exec sh -c '${again}' '${again}'`)
    endProcesses({ run, after: pid - 1 })
    expect(findProcesses(run)).toEqual([])
  }
})

test('processes of other runs are left alone', async () => {
  const [one, other] = [await start('echo; sleep 600'), await start('echo; sleep 600')]
  endProcesses({ run: one.run })
  expect(findProcesses(other.run)).toContain(other.pid)
  expect(endProcesses({ run: other.run.slice(0, 20) })).toBeGreaterThan(0)
})

test('nobody is found where nothing runs', () => {
  expect(findProcesses(randomUUID())).toEqual([])
  expect(endProcesses({ run: randomUUID() })).toBe(0)
})
