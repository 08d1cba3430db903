export { fakeClock } from './clock.ts'
export { createTestService, type TestService, waitForJob } from './test-service.ts'
