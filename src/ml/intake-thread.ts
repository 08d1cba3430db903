import { answerTasks } from '../thread/answer.ts'
import { type Intake, type TakenFrame, takeIn } from './intake.ts'

/** What the thread can be asked for. */
export const tasks = { takeIn }

export type IntakeTasks = typeof tasks

answerTasks(tasks, {
  handedOver(output) {
    const intake = output as Intake | TakenFrame
    const taken = !('type' in intake)
      ? [intake]
      : intake.type === 'train'
        ? [intake.data, intake.geo]
        : [intake.historic, intake.future, intake.geo]
    return taken.flatMap((each) => (each ? [each.bytes.buffer as ArrayBuffer] : []))
  },
})
