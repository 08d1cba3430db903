import { Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { type HostParameters, heartbeat, heartbeatFd, tooLarge } from './protocol.ts'

/*
 * A thread beside the model: the model may compute for an hour without a turn of its event loop, and still the service
 * must see that the process is alive, and the process must see that the service is gone and that it grows too large.
 */

const parentPollMs = 250
/** Short: a model can fill gigabytes in a second. */
const memoryPollMs = 50

const { servicePid, heartbeatMs, memoryLimit } = workerData as HostParameters

// A socket and not fs.writeSync: a service that does not read must not stop this thread.
const heart = new Socket({ fd: heartbeatFd, readable: false, writable: true })
heart.on('error', () => endIfAlone())

setInterval(() => {
  if (heart.writable && heart.writableLength === 0) heart.write(heartbeat)
}, heartbeatMs)
heart.write(heartbeat)

setInterval(endIfAlone, parentPollMs)
endIfAlone()

const memoryPoll = setInterval(() => {
  if (process.memoryUsage.rss() <= memoryLimit) return
  clearInterval(memoryPoll)
  heart.write(tooLarge, endAll)
}, memoryPollMs)

parentPort?.postMessage('watching')

function endIfAlone(): void {
  if (process.ppid !== servicePid) endAll()
}

/** Ends the host and all that the model started. */
function endAll(): void {
  process.kill(-process.pid, 'SIGKILL')
}
