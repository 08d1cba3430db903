// Runs the tests and reports which lines of src/ they reach, also in the processes that they start: services that are killed
// and restarted, model hosts, the command line. `npm run coverage`; the report is in coverage/report/index.html.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import libCoverage from 'istanbul-lib-coverage'
import libReport from 'istanbul-lib-report'
import reports from 'istanbul-reports'
import v8ToIstanbul from 'v8-to-istanbul'

const root = join(import.meta.dirname, '..')
const folder = join(root, 'coverage')
const raw = join(folder, 'children')
const source = join(root, 'src')

rmSync(folder, { recursive: true, force: true })
mkdirSync(raw, { recursive: true })
const vitest = join(root, 'node_modules', '.bin', 'vitest')
// Vitest measures its own process; processes that tests start write what they reached when they end.
const { status } = spawnSync(
  vitest,
  ['run', '--coverage', '--coverage.reportOnFailure', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, CHAPKIT_CHILD_COVERAGE: raw },
  },
)

const map = libCoverage.createCoverageMap({})
const own = join(folder, 'vitest', 'coverage-final.json')
if (existsSync(own)) map.merge(JSON.parse(readFileSync(own, 'utf8')))
for (const name of readdirSync(raw)) {
  const { result } = JSON.parse(readFileSync(join(raw, name), 'utf8')) as V8Report
  for (const { url, functions } of result) {
    if (!url.startsWith('file:')) continue
    const path = fileURLToPath(url)
    if (relative(source, path).startsWith('..') || /\.test\.ts$|fixtures/.test(path)) continue
    const converter = v8ToIstanbul(path, 0, { source: readFileSync(path, 'utf8') })
    await converter.load()
    converter.applyCoverage(functions as never)
    map.merge(converter.toIstanbul())
  }
}

const context = libReport.createContext({ dir: join(folder, 'report'), coverageMap: map })
for (const kind of ['html', 'text', 'json-summary'] as const) reports.create(kind).execute(context)
process.exitCode = status ?? 1

interface V8Report {
  result: { url: string; functions: unknown[] }[]
}
