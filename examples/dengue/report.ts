import type { FoldResult, Forecast } from './backtest.ts'
import { coverage, median, quantile, type Scores, scoresOf } from './score.ts'

/** The forecast beside what was counted, a row for each location and month. */
export function forecastTable(forecasts: readonly Forecast[]): string {
  const header = ['location', 'month', 'observed', 'median', '50 % interval', '90 % interval', '']
  const rows = forecasts.map(({ location, month, observed, samples }, index) => [
    // A location is named once, at its first month.
    location === forecasts[index - 1]?.location ? '' : location,
    month,
    whole(observed),
    whole(median(samples)),
    interval(samples, 0.5),
    interval(samples, 0.9),
    observed < quantile(samples, 0.05)
      ? 'below'
      : observed > quantile(samples, 0.95)
        ? 'above'
        : '',
  ])
  const lines = table(header, rows, ['left', 'left'])
  const within = percent(coverage(forecasts, 0.9))
  return `${lines}\n${within} of these counts lie in their 90 % interval; the others are marked.`
}

/** Scores of each fold and of all of them, beside the seasonal-naive forecast. */
export function scoreTable(results: readonly Pick<FoldResult, 'fold' | 'forecasts'>[]): string {
  const all = results.flatMap(({ forecasts }) => forecasts)
  const line = (name: string, forecasts: readonly Forecast[]): string[] => {
    const model = scoresOf(forecasts)
    const naive = scoresOf(asForecast(forecasts, 'naive'))
    const cells = (['mae', 'crps'] as const).flatMap((score) => beside(model, naive, score))
    return [name, ...cells]
  }
  const header = ['months', 'MAE', 'naive', 'ratio', 'CRPS', 'naive', 'ratio']
  const rows = results.map(({ fold, forecasts }) => line(`${fold.from} to ${fold.to}`, forecasts))
  const overall = scoresOf(all)
  const textbook = scoresOf(asForecast(all, 'lastYear'))
  return [
    table(header, [...rows, line('all', all)], ['left'], rows.length),
    'MAE is of the median, CRPS of the samples; both in cases, averaged over locations and months.',
    'A ratio below 1 means that the model was nearer. naive: the same month of all earlier years.',
    `The same month of the year before, alone: MAE ${number(textbook.mae)}, ratio ${ratio(overall.mae, textbook.mae)}.`,
    `${percent(coverage(all, 0.5))} of all counts lie in their 50 % interval, ${percent(coverage(all, 0.9))} in their 90 % interval.`,
  ].join('\n')
}

type Side = 'left' | 'right'

/** Columns as wide as their widest cell, two spaces between them; a rule after `ruleAfter` rows. */
function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  sides: readonly Side[] = [],
  ruleAfter?: number,
): string {
  const widths = header.map((name, column) =>
    Math.max(...[name, ...rows.map((row) => row[column] ?? '')].map((cell) => cell.length)),
  )
  const text = (cells: readonly string[]) =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? ''
        return sides[column] === 'left' ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd()
  const rule = widths.map((width) => '─'.repeat(width)).join('──')
  const lines = rows.flatMap((row, index) =>
    index === ruleAfter ? [rule, text(row)] : [text(row)],
  )
  return [text(header), rule, ...lines].join('\n')
}

function asForecast(forecasts: readonly Forecast[], which: 'naive' | 'lastYear') {
  return forecasts.map((forecast) => ({ samples: forecast[which], observed: forecast.observed }))
}

function beside(model: Scores, naive: Scores, score: keyof Scores): string[] {
  return [number(model[score]), number(naive[score]), ratio(model[score], naive[score])]
}

function interval(samples: readonly number[], level: number): string {
  const low = whole(quantile(samples, (1 - level) / 2))
  return `${low} – ${whole(quantile(samples, (1 + level) / 2))}`
}

const whole = (value: number): string => Math.round(value).toLocaleString('en')
const number = (value: number): string => value.toFixed(1)
const ratio = (model: number, naive: number): string =>
  naive === 0 ? '–' : (model / naive).toFixed(2)
const percent = (share: number): string => `${Math.round(share * 100)} %`
