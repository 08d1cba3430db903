export { blobStoreSuite } from './blob-store-suite.ts'
