import type * as configs from '../../src/config/configs.ts'
import type * as schemas from '../../src/config/schema.ts'
import { built } from '../harness.ts'
import { inTurns, type Program, perSecondAsync, toResult } from '../measure.ts'

const sent = {
  prediction_periods: 3,
  additional_continuous_covariates: ['rainfall', 'mean_temperature'],
  n_lags: 3,
  user_option_values: { season: 12 },
}

export const validation: Program = {
  name: 'validation',
  row: 'checking the data of a config',
  async run({ quick }) {
    const { parseConfigData } = await built<typeof configs>('config/configs.js')
    const { BaseConfig } = await built<typeof schemas>('config/schema.js')
    const ms = quick ? 200 : 1000
    const figures = await inTurns(
      quick ? 3 : 7,
      () => perSecondAsync(() => parseConfigData(BaseConfig, sent, ['body', 'data']), ms),
      () => perSecondAsync(async () => BaseConfig.parse(sent), ms),
    )
    return [
      toResult({
        what: 'configs checked',
        unit: '/s',
        ...figures,
        limitOf: 'Zod with that schema',
      }),
    ]
  },
}
