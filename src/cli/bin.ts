#!/usr/bin/env node
// Checks the version before the first import: older versions cannot even read the rest.
const [major = 0] = process.versions.node.split('.').map(Number)
if (major < 24) {
  console.error(
    `chapkit needs Node 24 or later; this is Node ${process.versions.node}. Get a later one from https://nodejs.org, or with "nvm install 24"`,
  )
  process.exitCode = 1
} else {
  const { main } = await import('./main.ts')
  process.exitCode = await main(process.argv.slice(2))
}
