import { BaseConfig, type BaseConfigInput } from '../config/schema.ts'
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

export interface FunctionalModelOptions<Config, Model, Input = unknown> {
  /**
   * Schema of the model's config; extend `BaseConfig`.
   * @default BaseConfig
   */
  config?: ConfigSchema<Config, Input>
  /** Fits a model to data. What it returns is stored and given to `onPredict`. */
  onTrain: (context: TrainContext<Config>) => Model | Promise<Model>
  /** Asks a model: a frame with `time_period`, `location` and `sample_0`, `sample_1`, … */
  onPredict: (context: PredictContext<Config, NoInfer<Model>>) => DataFrame | Promise<DataFrame>
  /** Findings of the model's own, after those of the service, for `$validate` and at submit. */
  onValidateTrain?: (context: ValidateTrainContext<Config>) => Diagnostic[] | Promise<Diagnostic[]>
  onValidatePredict?: (
    context: ValidatePredictContext<Config>,
  ) => Diagnostic[] | Promise<Diagnostic[]>
  /** Turns the model into bytes, for models that are more than plain data, Map, Set, Date and typed arrays. */
  save?: (model: NoInfer<Model>) => Uint8Array | Promise<Uint8Array>
  load?: (bytes: Uint8Array) => NoInfer<Model> | Promise<NoInfer<Model>>
}

/**
 * A model made of two functions.
 *
 * @example
 * ```ts
 * const runner = new FunctionalModelRunner({
 *   onTrain: ({ data }) => ({ mean: data.numbers('disease_cases').reduce((a, b) => a + b, 0) / data.length }),
 *   onPredict: ({ model, future }) => future.select(['time_period', 'location']).derive('sample_0', () => model.mean),
 * })
 * ```
 */
export class FunctionalModelRunner<Config = BaseConfig, Model = unknown, Input = BaseConfigInput>
  implements ValueRunner<Config, Model, Input>
{
  readonly contract = 1
  readonly keeps = 'value'
  readonly inputs = 'forecast'
  readonly config: ConfigSchema<Config, Input>
  readonly train: ValueRunner<Config, Model>['train']
  readonly predict: ValueRunner<Config, Model>['predict']
  readonly validateTrain?: NonNullable<ValueRunner<Config, Model>['validateTrain']>
  readonly validatePredict?: NonNullable<ValueRunner<Config, Model>['validatePredict']>
  readonly save?: NonNullable<ValueRunner<Config, Model>['save']>
  readonly load?: NonNullable<ValueRunner<Config, Model>['load']>

  constructor(options: FunctionalModelOptions<Config, Model, Input>) {
    this.config = options.config ?? (BaseConfig as unknown as ConfigSchema<Config, Input>)
    this.train = options.onTrain
    this.predict = options.onPredict
    if (options.onValidateTrain) this.validateTrain = options.onValidateTrain
    if (options.onValidatePredict) this.validatePredict = options.onValidatePredict
    if ((options.save === undefined) !== (options.load === undefined)) {
      throw new Error('A runner needs `save` and `load` together: what one writes the other reads')
    }
    if (options.save) this.save = options.save
    if (options.load) this.load = options.load
  }
}
