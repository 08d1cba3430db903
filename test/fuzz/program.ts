import { parseArgs } from 'node:util'
import { printReport, runCampaign } from './campaign.ts'

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '20261122' },
    seconds: { type: 'string' },
  },
})
const report = await runCampaign({
  cases: Number(values.cases),
  seed: Number(values.seed),
  ...(values.seconds !== undefined && { seconds: Number(values.seconds) }),
  progress: (line) => console.log(line),
})
console.log(printReport(report))
console.log(`seed ${values.seed}`)
process.exitCode = report.violations.length > 0 ? 1 : 0
