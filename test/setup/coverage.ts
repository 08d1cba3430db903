// Processes that tests start report what they reached, where `npm run coverage` asks for it; this one is measured by vitest.
const folder = process.env.CHAPKIT_CHILD_COVERAGE
if (folder) process.env.NODE_V8_COVERAGE = folder
