import { describe } from 'vitest'
import { runnerSuite } from '../testing/runner-suite.ts'
import { counting, makeFolder } from './fixtures/project.ts'
import { ShellModelRunner } from './runner.ts'

describe('ShellModelRunner', () =>
  runnerSuite(
    () =>
      new ShellModelRunner({
        trainCommand: 'sh train.sh',
        predictCommand: 'sh predict.sh {future_file} {output_file}',
        project: makeFolder(counting),
      }),
  ))
