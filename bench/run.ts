import { spawnSync } from 'node:child_process'
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import BetterSqlite from 'better-sqlite3'
import { root } from './harness.ts'
import { isMet, median, type Program, type Result } from './measure.ts'
import { bigFrames } from './programs/big-frames.ts'
import { bodyBlock } from './programs/body-block.ts'
import { coldStart } from './programs/cold-start.ts'
import { commandLine } from './programs/command-line.ts'
import { configs } from './programs/configs.ts'
import { deletion } from './programs/deletion.ts'
import { health } from './programs/health.ts'
import { healthTraining } from './programs/health-training.ts'
import { importTime } from './programs/import.ts'
import { ingestion } from './programs/ingestion.ts'
import { isolation } from './programs/isolation.ts'
import { roundTrips, throughput } from './programs/jobs.ts'
import { largestRequests } from './programs/largest-requests.ts'
import { list } from './programs/list.ts'
import { memory } from './programs/memory.ts'
import { memoryGrowth } from './programs/memory-growth.ts'
import { million } from './programs/million.ts'
import { monitoring } from './programs/monitoring.ts'
import { openapi } from './programs/openapi.ts'
import { overload } from './programs/overload.ts'
import { scripts } from './programs/scripts.ts'
import { slowClients } from './programs/slow-clients.ts'
import { slowDisk } from './programs/slow-disk.ts'
import { streaming } from './programs/streaming.ts'
import { tables } from './programs/tables.ts'
import { validation } from './programs/validation.ts'

const programs: readonly Program[] = [
  coldStart,
  memory,
  memoryGrowth,
  health,
  configs,
  roundTrips,
  throughput,
  bigFrames,
  list,
  bodyBlock,
  healthTraining,
  isolation,
  scripts,
  million,
  deletion,
  slowDisk,
  overload,
  slowClients,
  largestRequests,
  validation,
  ingestion,
  tables,
  streaming,
  monitoring,
  openapi,
  importTime,
  commandLine,
]

const resultsFile = join(root, 'bench', 'RESULTS.md')

interface Ran {
  program: Program
  results: Result[]
  /** What kept it from ending. */
  error?: string
  seconds: number
  /** Share of the processors' time that went to others on the same machine, in percent. */
  stolen: number
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  })
  if (values.list) {
    for (const { name, row } of programs) console.log(`${name.padEnd(16)} ${row}`)
    return 0
  }
  const unknown = positionals.filter((name) => !programs.some((program) => program.name === name))
  if (unknown.length > 0) {
    console.error(`No program is named ${unknown.join(', ')}; see --list`)
    return 1
  }
  const chosen = programs.filter(
    ({ name }) => positionals.length === 0 || positionals.includes(name),
  )
  const { status } = spawnSync(process.execPath, [join(root, 'scripts', 'build.ts')], {
    stdio: 'inherit',
  })
  if (status !== 0) return status ?? 1

  const facts = machineFacts()
  console.log(`${facts.join('\n')}\n`)
  const ran: Ran[] = []
  for (const program of chosen) {
    console.log(`## ${program.name}: ${program.row}`)
    const each = await runOne(program, values.quick)
    ran.push(each)
    console.log(`${toTable(each)}\n`)
  }
  const whole = positionals.length === 0 && !values.quick
  if (whole || values.write) {
    writeFileSync(resultsFile, toMarkdown(facts, ran, values.quick))
    console.log(`written to ${resultsFile}`)
  }
  return ran.some(({ error }) => error !== undefined) ? 1 : 0
}

async function runOne(program: Program, quick: boolean): Promise<Ran> {
  const start = performance.now()
  const before = processorTimes()
  let results: Result[] = []
  let error: string | undefined
  try {
    results = await program.run({ quick })
  } catch (thrown) {
    error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  }
  const after = processorTimes()
  const stolen = (100 * (after.stolen - before.stolen)) / Math.max(1, after.total - before.total)
  const seconds = Math.round((performance.now() - start) / 1000)
  return { program, results, seconds, stolen, ...(error !== undefined && { error }) }
}

function processorTimes(): { total: number; stolen: number } {
  const times = (readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '')
    .split(/\s+/)
    .slice(1, 9)
    .map(Number)
  return { total: times.reduce((sum, each) => sum + each, 0), stolen: times[7] ?? 0 }
}

function machineFacts(): string[] {
  const [cpu] = cpus()
  const database = new BetterSqlite(':memory:')
  const sqlite = database.prepare('select sqlite_version()').pluck().get()
  database.close()
  return [
    `- ${new Date().toISOString().slice(0, 16)}Z, ${cpus().length} cores (${cpu?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB memory`,
    `- Node ${process.versions.node}, V8 ${process.versions.v8}, SQLite ${sqlite}`,
    `- a write of 4 KiB reaches the disk of ${tmpdir()} in ${syncCost().toFixed(2)} ms (p50 of 300)`,
    `- load before the first program: ${loadavg()
      .map((each) => each.toFixed(1))
      .join(', ')}`,
  ]
}

function syncCost(): number {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-bench-'))
  const file = openSync(join(folder, 'sync'), 'w')
  const page = Buffer.alloc(4096, 1)
  const times = Array.from({ length: 300 }, () => {
    const start = performance.now()
    writeSync(file, page)
    fdatasyncSync(file)
    return performance.now() - start
  })
  closeSync(file)
  rmSync(folder, { recursive: true })
  return median(times)
}

function shown(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toFixed(digits)
}

function verdict(result: Result): string {
  const met = isMet(result)
  return met === null ? '' : met ? 'yes' : '**no**'
}

const head = ['figure', 'ours', 'spread', 'limit', 'ratio', 'bar', 'met', 'limit is']

function toRows(results: readonly Result[]): string[][] {
  return results.map((result) => {
    const { what, unit, ours, limit, limitOf, ratio, bar, note } = result
    return [
      note === undefined ? what : `${what} (${note})`,
      `${shown(ours.median)} ${unit}`,
      ours.count > 1 ? `${shown(ours.least)} – ${shown(ours.most)}, ${ours.count} ×` : '',
      limit ? shown(limit.median) : '',
      ratio === null ? '' : ratio.toFixed(2),
      bar?.text ?? '',
      verdict(result),
      limitOf ?? '',
    ]
  })
}

function toTable({ results, error, seconds, stolen }: Ran): string {
  const rows = [head, ...toRows(results)]
  const widths = head.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)))
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  if (error !== undefined) lines.push(`FAILED: ${error}`)
  lines.push(`(${seconds} s, ${stolen.toFixed(1)} % stolen)`)
  return lines.join('\n')
}

function toMarkdown(facts: readonly string[], ran: readonly Ran[], quick: boolean): string {
  const sections = ran.map(({ program, results, error, seconds, stolen }) => {
    const lines = [head, head.map(() => '---'), ...toRows(results)]
    const table = lines.map(
      (row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`,
    )
    return [
      `## ${program.name}`,
      '',
      `${program.row[0]?.toUpperCase()}${program.row.slice(1)}. ${seconds} s, ${stolen.toFixed(1)} % of the processors' time stolen by other machines.`,
      '',
      ...(error === undefined ? [] : [`It failed: ${error.split('\n', 1)[0]}`, '']),
      ...(results.length > 0 ? table : ['Left out: see the log.']),
      '',
    ].join('\n')
  })
  return [
    '# Results',
    '',
    `Written by \`npm run bench\`${quick ? ' with --quick: too short to quote' : ''}. \`README.md\` tells how to read it; compare ratios, not figures.`,
    '',
    ...facts,
    '',
    ...sections,
  ].join('\n')
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
process.exitCode = await main()
