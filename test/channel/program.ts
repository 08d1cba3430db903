import { parseArgs } from 'node:util'
import { printReport, runCampaign } from './campaign.ts'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '20261129' },
  },
})
const report = await runCampaign({
  messages: Number(values.messages),
  seed: Number(values.seed),
  progress: (line) => console.log(line),
})
console.log(printReport(report))
console.log(`seed ${values.seed}`)
process.exitCode = report.violations.length > 0 ? 1 : 0
