import { testPoints } from './every-point.ts'
import { isOfJobs, scenarios } from './scenarios.ts'

testPoints(scenarios.filter(isOfJobs))
