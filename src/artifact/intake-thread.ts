import { answerTasks } from '../thread/answer.ts'
import { isSameJson, type TakenBody, takeBody } from './intake.ts'

/** What the thread can be asked for. */
export const tasks = {
  takeBody,
  isSameJson: ({ a, b }: { a: Uint8Array; b: Uint8Array }): boolean => isSameJson(a, b),
}

export type ArtifactIntakeTasks = typeof tasks

answerTasks(tasks, {
  handedOver(output) {
    const content = (output as TakenBody | boolean as TakenBody).data?.content
    return content ? [content.bytes.buffer as ArrayBuffer] : []
  },
})
