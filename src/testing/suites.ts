export { blobStoreSuite } from './blob-store-suite.ts'
export { engineSuite } from './engine-suite.ts'
export { type RunnerSuiteOptions, runnerSuite } from './runner-suite.ts'
