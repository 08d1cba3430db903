import { MLServiceBuilder, ShellModelRunner } from 'chapkit'

/** Commands that do nothing, or as good as nothing: what is measured is the way to them and back. */
export default new MLServiceBuilder({
  module: import.meta.url,
  info: { id: 'bench-script', display_name: 'Script', period_type: 'monthly' },
  runner: new ShellModelRunner({
    trainCommand: 'true',
    predictCommand: 'cp ready.csv {output_file}',
    project: process.env.BENCH_PROJECT ?? '.',
  }),
}).build()
