/*
 * Breaks the service on purpose, once for each mutant, and looks whether the test that has to notice does: `npm run mutants`,
 * `npm run mutants -- --only NAME`, `npm run mutants -- --list`.
 *
 * Nothing is broken where people work: a copy of the tree is, in a temporary folder. Killed is a mutant when its test fails
 * with something that it found. A test that only ran out of time, did not run, or fails without the mutant as well, has found
 * nothing; nor has a compiler that refuses the mutant.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { countOf, type Mutant, mutants } from './mutants.ts'

const root = join(import.meta.dirname, '../..')
const work = mkdtempSync(join(tmpdir(), 'chapkit-mutants-'))
const tree = join(work, 'tree')
const temporary = join(work, 'tmp')
const caches = new Set(['.cache', '.vite', '.vite-temp', '.vitest-cache'])
/** A test that takes longer hangs. */
const longestMs = 600_000

interface Outcome {
  status: number | null
  output: string
}

/** What is running at the moment, with a process group of its own. */
let child: ChildProcess | undefined

function run(program: string, args: string[]): Promise<Outcome> {
  const path = join(tree, 'node_modules', '.bin', program)
  const running = spawn(path, args, {
    cwd: tree,
    detached: true,
    // All points and cases: a part of them may miss what was broken.
    env: { ...process.env, CHAPKIT_TEST_CAMPAIGN: '1', TMPDIR: temporary, CI: '1', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child = running
  let output = ''
  for (const stream of [running.stdout, running.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  const timer = setTimeout(endAll, longestMs)
  return new Promise((resolve, reject) => {
    running.once('error', reject)
    running.once('exit', (status) => {
      clearTimeout(timer)
      child = undefined
      endAll()
      resolve({ status, output })
    })
  })
}

/** Ends what runs, and what it has left behind: a mutant may be that hosts outlive their service. */
function endAll(): void {
  if (child?.pid !== undefined) end(-child.pid)
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name) && Number(name) !== process.pid && isOurs(name)) end(Number(name))
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}

function isOurs(pid: string): boolean {
  try {
    return ['cmdline', 'environ'].some((file) =>
      readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(work),
    )
  } catch {
    return false
  }
}

function cleanUp(): void {
  endAll()
  rmSync(work, { recursive: true, force: true, maxRetries: 10 })
}

/** Everything but what is made from it. Dependencies are linked one by one: caches among them stay as they are. */
function copyTree(): void {
  const left = new Set(['node_modules', '.git', 'dist', 'coverage', 'data'])
  cpSync(root, tree, { recursive: true, filter: (path) => !left.has(relative(root, path)) })
  const modules = join(tree, 'node_modules')
  mkdirSync(modules)
  for (const name of readdirSync(join(root, 'node_modules')))
    if (!caches.has(name)) symlinkSync(join(root, 'node_modules', name), join(modules, name))
  mkdirSync(temporary)
}

interface TestReport {
  testResults: {
    message: string
    assertionResults: { status: string; failureMessages: string[] }[]
  }[]
}

interface Finding {
  /** What failing tests said, without those that only ran out of time. */
  failures: string[]
  passed: number
  output: string
}

async function runTest({ file, name }: Mutant['test']): Promise<Finding> {
  const report = join(work, 'report.json')
  rmSync(report, { force: true })
  const { output } = await run('vitest', [
    'run',
    file,
    `--testNamePattern=${literally(name)}`,
    '--reporter=json',
    `--outputFile=${report}`,
    '--typecheck.enabled=false',
  ])
  if (!existsSync(report))
    return { failures: [], passed: 0, output: output || 'it ran out of time' }
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as TestReport
  const results = testResults.flatMap((each) => each.assertionResults)
  const said = results.flatMap((each) => each.failureMessages)
  return {
    failures: said.filter((message) => !/(Test|Hook) timed out in \d+ms/.test(message)),
    passed: results.filter(({ status }) => status === 'passed').length,
    output: [...testResults.map(({ message }) => message), ...said, output].join('\n'),
  }
}

/** A pattern that matches a text and nothing else. */
const literally = (text: string) => text.replaceAll(/[^\w ]/g, '\\$&')

/** Tests that fail over the tree as it is notice nothing. */
async function assertSound(chosen: Mutant[]): Promise<void> {
  const tests = new Map(chosen.map(({ test }) => [`${test.file} ${test.name}`, test]))
  for (const [title, test] of tests) {
    const { failures, passed, output } = await runTest(test)
    if (passed > 0 && failures.length === 0) continue
    throw new Error(`Without any mutant this test has to pass, and does not:\n${title}\n${output}`)
  }
  console.log(`${tests.size} tests pass over the service as it is.`)
}

/** Whether the test of a mutant notices it, and what it said. */
async function judge({ file, text, by, test }: Mutant): Promise<{ killed: boolean; why: string }> {
  const path = join(tree, file)
  const source = readFileSync(path, 'utf8')
  writeFileSync(
    path,
    source.replace(text, () => by),
  )
  try {
    const types = await run('tsc', ['-p', 'tsconfig.json'])
    if (types.status !== 0) return { killed: false, why: `does not compile: ${types.output}` }
    const { failures, passed, output } = await runTest(test)
    if (failures.length > 0) return { killed: true, why: failures[0]?.split('\n')[0] ?? '' }
    return { killed: false, why: passed > 0 ? 'its test passes' : `no test failed: ${output}` }
  } finally {
    writeFileSync(path, source)
  }
}

function assertFresh(chosen: Mutant[]): void {
  for (const { name, file, text } of chosen) {
    const count = countOf(text, readFileSync(join(root, file), 'utf8'))
    if (count === 1) continue
    throw new Error(`The mutant ${name} is stale: its text is in ${file} ${count} times, not once`)
  }
}

function choose(names: string[]): Mutant[] {
  const unknown = names.find((name) => !mutants.some((mutant) => mutant.name === name))
  if (unknown !== undefined) throw new Error(`No mutant ${unknown}; --list names all`)
  return names.length === 0 ? mutants : mutants.filter(({ name }) => names.includes(name))
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [] },
      list: { type: 'boolean', default: false },
    },
  })
  const chosen = choose(values.only)
  if (values.list) {
    for (const { name, breaks, test } of chosen) console.log(`${name}: ${breaks}\n  ${test.file}`)
    return
  }
  assertFresh(chosen)
  copyTree()
  await assertSound(chosen)
  const survivors: string[] = []
  for (const mutant of chosen) {
    const began = performance.now()
    const { killed, why } = await judge(mutant)
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    const verdict = killed ? 'killed' : 'SURVIVED'
    if (!killed) survivors.push(mutant.name)
    console.log(`${mutant.name.padEnd(32)}${verdict.padEnd(10)}${seconds.padStart(6)} s  ${why}`)
  }
  console.log(`${chosen.length - survivors.length} of ${chosen.length} mutants killed`)
  if (survivors.length > 0) process.exitCode = 1
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    cleanUp()
    process.exit(1)
  })
}
try {
  await main()
} finally {
  cleanUp()
}
