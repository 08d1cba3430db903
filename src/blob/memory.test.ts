import { describe } from 'vitest'
import { blobStoreSuite } from '../testing/blob-store-suite.ts'
import { memoryBlobs } from './memory.ts'

describe('memoryBlobs', () => blobStoreSuite(async () => memoryBlobs()))
