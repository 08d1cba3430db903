import { Command } from 'commander'
import { collect, type Run, wholeNumber, withExamples, withService } from './define.ts'

/** Adds what reads CSV files that are written otherwise than programs write them. */
function withDialect(command: Command): Command {
  return command
    .option(
      '--delimiter <name>',
      'between the columns of the file: comma, semicolon, tab, pipe, space, or the character',
    )
    .option('--decimal <mark>', 'decimal mark of the file: . or , (default: .)')
    .option(
      '--map <column=name>',
      'rename a column, such as date=time_period; may be given again',
      collect,
    )
    .option(
      '--date-format <format>',
      'read time_period as dates, such as %d/%m/%Y, into periods of the service',
    )
}

export function trainCommand(run: Run): Command {
  const command = new Command('train')
    .description('train a model of a running service with a CSV file')
    .argument('<data>', 'CSV file: time_period, location, disease_cases, covariates; - is stdin')
    .option(
      '-c, --config <name|id>',
      'config to train with (default: the one named default, or the only one)',
    )
    .option(
      '--config-data <data>',
      'make a config for it: key=value, JSON, or a YAML file; may be given again',
      collect,
    )
    .option('--geo <file>', 'GeoJSON of the locations')
    .option(
      '--periods <n>',
      'periods that the model is to forecast (default: prediction_periods of the config)',
      wholeNumber(0, 1_000_000, 'periods'),
    )
    .option('--logs', 'show what the model says while it runs')
    .option('--no-wait', 'submit it and end')
    .action((data: string, options) =>
      run(async () => (await import('../commands/train.ts')).train(data, options)),
    )
  return withExamples(
    withService(withDialect(command)),
    'chapkit train train.csv',
    "chapkit train cases.csv --delimiter semicolon --decimal , --map date=time_period --date-format '%d/%m/%Y'",
    'chapkit train train.csv --config-data prediction_periods=3 --config-data n_lags=2 --logs',
    'CHAPKIT_API_KEY=… chapkit train - --url https://models.example.org < train.csv',
  )
}

export function predictCommand(run: Run): Command {
  const command = new Command('predict')
    .description('forecast with a trained model')
    .argument('<historic>', 'CSV file of the periods that are known; - is stdin')
    .argument('[future]', 'CSV file of the periods to forecast, without disease_cases; - is stdin')
    .option(
      '-m, --model <id>',
      'model to ask, as chapkit train names it; latest is the newest',
      'latest',
    )
    .option('--geo <file>', 'GeoJSON of the locations')
    .option('-o, --output <file>', 'write the forecast as .csv, .json or .parquet')
    .option('--force', 'also over a file that is there')
    .option('--csv', 'print CSV with all samples instead of a table')
    .option(
      '--interval <percent>',
      'part of the samples that the interval of the table holds',
      wholeNumber(1, 99, 'percent'),
      90,
    )
    .option('--logs', 'show what the model says while it runs')
    .option('--no-wait', 'submit it and end')
    .action((historic: string, future: string | undefined, options) =>
      run(async () => (await import('../commands/predict.ts')).predict(historic, future, options)),
    )
  return withExamples(
    withService(withDialect(command)),
    'chapkit predict historic.csv future.csv',
    'chapkit predict historic.csv future.csv -o forecast.csv',
  )
}
