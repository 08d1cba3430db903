import { Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { type HostParameters, heartbeatFd } from './protocol.ts'

/*
 * A thread beside the model: the model may compute for an hour without a turn of its event loop, and still the service
 * must see that the process is alive, and the process must see that the service is gone.
 */

const parentPollMs = 250

const { servicePid, heartbeatMs } = workerData as HostParameters

// A socket and not fs.writeSync: a service that does not read must not stop this thread.
const heart = new Socket({ fd: heartbeatFd, readable: false, writable: true })
heart.on('error', () => endIfAlone())

setInterval(() => {
  if (heart.writable && heart.writableLength === 0) heart.write('.')
}, heartbeatMs)
heart.write('.')

setInterval(endIfAlone, parentPollMs)
endIfAlone()
parentPort?.postMessage('watching')

/** Ends the host and all that the model started, when the service is no longer there. */
function endIfAlone(): void {
  if (process.ppid !== servicePid) process.kill(-process.pid, 'SIGKILL')
}
