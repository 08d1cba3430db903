import { describe } from 'vitest'
import type { BaseConfig } from '../config/schema.ts'
import { runnerSuite } from '../testing/runner-suite.ts'
import { BaseModelRunner } from './base-runner.ts'
import { FunctionalModelRunner } from './functional.ts'
import type { PredictContext, TrainContext } from './runner.ts'

interface Model {
  mean: number
}

function fit({ data }: TrainContext<BaseConfig>): Model {
  const known = data.numbers('disease_cases').filter((value) => !Number.isNaN(value))
  return { mean: known.reduce((sum, value) => sum + value, 0) / Math.max(1, known.length) }
}

const forecast = ({ model, future }: PredictContext<BaseConfig, Model>) =>
  future.select(['time_period', 'location']).derive('sample_0', () => model.mean)

class MeanModel extends BaseModelRunner<BaseConfig, Model> {
  override onTrain = fit
  override onPredict = forecast
}

describe('FunctionalModelRunner', () =>
  runnerSuite(() => new FunctionalModelRunner({ onTrain: fit, onPredict: forecast })))

describe('BaseModelRunner', () => runnerSuite(() => new MeanModel()))
