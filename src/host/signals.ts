import { stopSignals } from '../kernel/stop.ts'

/**
 * Notes the signals by which a process is asked to end, where something else in it listens for them: alone it would be in the way
 * of what the system does then, which is to end the process. Answers whether one has come.
 */
export function noteSignals(): () => boolean {
  let isSignaled = false
  const note = () => {
    isSignaled = true
  }
  const isAsked = (event: string | symbol): event is NodeJS.Signals =>
    (stopSignals as readonly (string | symbol)[]).includes(event)
  process.on('newListener', (event, listener) => {
    if (!isAsked(event) || listener === note || process.listeners(event).includes(note)) return
    process.on(event, note)
  })
  process.on('removeListener', (event, listener) => {
    if (!isAsked(event) || listener === note) return
    if (process.listeners(event).every((each) => each === note)) process.off(event, note)
  })
  return () => isSignaled
}
