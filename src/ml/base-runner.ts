import { BaseConfig } from '../config/schema.ts'
import type { DataFrame } from '../data/frame.ts'
import type {
  ConfigSchema,
  Diagnostic,
  PredictContext,
  TrainContext,
  ValidatePredictContext,
  ValidateTrainContext,
  ValueRunner,
} from './runner.ts'

/**
 * A model as a class, with a life of its own in every process that runs it: `onInit` before its first run there, `onCleanup`
 * when the process ends in good order. Fields that `onInit` sets are there in `onTrain` and `onPredict`; what `onTrain`
 * returns is stored, and comes back as `model`.
 *
 * @example
 * ```ts
 * class Mean extends BaseModelRunner<BaseConfig, { mean: number }> {
 *   onTrain({ data }: TrainContext<BaseConfig>) {
 *     return { mean: data.numbers('disease_cases').reduce((a, b) => a + b, 0) / data.length }
 *   }
 *   onPredict({ model, future }: PredictContext<BaseConfig, { mean: number }>) {
 *     return future.select(['time_period', 'location']).derive('sample_0', () => model.mean)
 *   }
 * }
 * ```
 */
export abstract class BaseModelRunner<Config = BaseConfig, Model = unknown>
  implements ValueRunner<Config, Model>
{
  readonly contract = 1
  readonly keeps = 'value'
  readonly inputs = 'forecast'
  /** Schema of the model's config. @default BaseConfig */
  readonly config: ConfigSchema<Config> = BaseConfig as unknown as ConfigSchema<Config>

  onInit(): void | Promise<void> {}
  onCleanup(): void | Promise<void> {}
  abstract onTrain(context: TrainContext<Config>): Model | Promise<Model>
  abstract onPredict(context: PredictContext<Config, Model>): DataFrame | Promise<DataFrame>

  /** Findings of the model's own, after those of the service, for `$validate` and at submit. */
  onValidateTrain?(context: ValidateTrainContext<Config>): Diagnostic[] | Promise<Diagnostic[]>
  onValidatePredict?(context: ValidatePredictContext<Config>): Diagnostic[] | Promise<Diagnostic[]>

  readonly validateTrain?: NonNullable<ValueRunner<Config, Model>['validateTrain']>
  readonly validatePredict?: NonNullable<ValueRunner<Config, Model>['validatePredict']>

  constructor() {
    // Only where there are checks: frames are not made for nobody.
    if (this.onValidateTrain)
      this.validateTrain = (context) => this.onValidateTrain?.(context) ?? []
    if (this.onValidatePredict)
      this.validatePredict = (context) => this.onValidatePredict?.(context) ?? []
  }

  init(): void | Promise<void> {
    return this.onInit()
  }

  cleanup(): void | Promise<void> {
    return this.onCleanup()
  }

  train(context: TrainContext<Config>): Model | Promise<Model> {
    return this.onTrain(context)
  }

  predict(context: PredictContext<Config, Model>): DataFrame | Promise<DataFrame> {
    return this.onPredict(context)
  }
}
