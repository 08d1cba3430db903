// Runs the fast tests and reports which lines of src/ they reach, also in the processes that they start: services that are
// killed and restarted, model hosts, the command line. `npm run coverage`; the report is in coverage/report/index.html.
// The crash campaign is left out: a process that is killed reports nothing.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import libCoverage from 'istanbul-lib-coverage'
import libReport from 'istanbul-lib-report'
import reports from 'istanbul-reports'
import v8ToIstanbul from 'v8-to-istanbul'

const root = join(import.meta.dirname, '..')
const folder = join(root, 'coverage')
const raw = join(folder, 'children')

// `--report` makes the report again from what is there.
const status = process.argv.includes('--report') ? 0 : runTests()
const own = join(folder, 'vitest', 'coverage-final.json')
const map = libCoverage.createCoverageMap(JSON.parse(readFileSync(own, 'utf8')))
for (const name of readdirSync(raw)) {
  const { result } = JSON.parse(readFileSync(join(raw, name), 'utf8')) as V8Report
  for (const { url, functions } of result) {
    if (!url.startsWith('file:')) continue
    const path = fileURLToPath(url)
    if (map.files().includes(path)) markReached(path, await linesOf(path, functions))
  }
}

const context = libReport.createContext({ dir: join(folder, 'report'), coverageMap: map })
for (const kind of ['html', 'text', 'json-summary'] as const) reports.create(kind).execute(context)
process.exitCode = status ?? 1

function runTests(): number | null {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(raw, { recursive: true })
  const vitest = join(root, 'node_modules', '.bin', 'vitest')
  const fast = ['run', '--project', 'fast', '--coverage', '--coverage.reportOnFailure']
  const args = [...fast, ...process.argv.slice(2)]
  // Vitest measures its own process; processes that tests start write what they reached when they end.
  const env = { ...process.env, CHAPKIT_CHILD_COVERAGE: raw }
  return spawnSync(vitest, args, { cwd: root, stdio: 'inherit', env }).status
}

/** How often each line of a file ran in a process that a test had started. */
async function linesOf(path: string, functions: unknown[]): Promise<Record<string, number>> {
  const converter = v8ToIstanbul(path, 0, { source: readFileSync(path, 'utf8') })
  await converter.load()
  converter.applyCoverage(functions as never)
  const [data] = Object.values(converter.toIstanbul())
  return data ? libCoverage.createFileCoverage(data).getLineCoverage() : {}
}

/** Both ways of measuring cut a file into other pieces; lines are what they agree on. */
function markReached(path: string, lines: Record<string, number>) {
  const file = map.fileCoverageFor(path).data
  const ran = (line: number) => (lines[line] ?? 0) > 0
  for (const [key, { start }] of Object.entries(file.statementMap))
    if (ran(start.line)) file.s[key] ||= 1
  for (const [key, { loc }] of Object.entries(file.fnMap)) {
    if (ran(loc.start.line) && ran(Math.min(loc.start.line + 1, loc.end.line))) file.f[key] ||= 1
  }
  for (const [key, { locations }] of Object.entries(file.branchMap)) {
    const counts = file.b[key] ?? []
    for (const [index, { start }] of locations.entries()) {
      if (start.line !== undefined && ran(start.line)) counts[index] ||= 1
    }
  }
}

interface V8Report {
  result: { url: string; functions: unknown[] }[]
}
