// Asks a service for its health every 5 ms, whether or not earlier answers are there, and says over IPC how long the longest
// answer took between `begin` and `end`. A process of its own: who sends 64 MB has no time to look at a clock.
import { Agent, request } from 'node:http'

const { hostname, port } = new URL(process.argv[2]!)
const agent = new Agent({ keepAlive: true, scheduling: 'lifo' })
const everyMs = 5

/** When what is under way was sent. */
const asked = new Set<number>()
let longest = 0
let count = 0

function ask() {
  const at = performance.now()
  asked.add(at)
  const done = () => {
    asked.delete(at)
    longest = Math.max(longest, performance.now() - at)
    count++
  }
  request({ hostname, port, path: '/health', agent }, (response) =>
    response.resume().on('end', done),
  )
    .on('error', done)
    .end()
}
setInterval(ask, everyMs)

process.on('message', (message) => {
  if (message === 'begin') {
    longest = 0
    count = 0
    process.send?.('begun')
  } else {
    // What was asked before the end counts, also when it is answered later.
    const before = [...asked]
    const settle = () => {
      if (before.some((at) => asked.has(at))) return void setTimeout(settle, 1)
      process.send?.({ longest, count })
    }
    settle()
  }
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
