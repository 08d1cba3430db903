import { parentPort } from 'node:worker_threads'
import { type IntakeOutcome, type IntakeRequest, takeIn } from './intake.ts'

// The program of the intake thread: one request in, one outcome out; bytes change hands without being copied.
parentPort?.on('message', ({ id, request }: { id: number; request: IntakeRequest }) => {
  let outcome: IntakeOutcome
  try {
    outcome = takeIn(request)
  } catch {
    outcome = { refusal: { code: 'internal', detail: 'The request could not be read' } }
  }
  parentPort?.postMessage({ id, outcome }, buffersOf(outcome))
})

function buffersOf(outcome: IntakeOutcome): ArrayBuffer[] {
  if ('refusal' in outcome) return []
  const { intake } = outcome
  const taken = !('type' in intake)
    ? [intake]
    : intake.type === 'train'
      ? [intake.data, intake.geo]
      : [intake.historic, intake.future, intake.geo]
  return taken.flatMap((each) => (each ? [each.bytes.buffer as ArrayBuffer] : []))
}
