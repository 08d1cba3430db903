/** A model that is trained again by a task, and a report made by a command. */

import { MLServiceBuilder } from 'chapkit'
import { z } from 'zod'
import { runner } from './model.ts'
import { retrain } from './retrain.ts'

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'tasks',
    display_name: 'Tasks',
    description: 'A model that a task trains again when there is new data',
    period_type: 'monthly',
    model_metadata: { author: 'The chapkit project', author_assessed_status: 'orange' },
  },
  runner,
})
  .withTasks({
    functions: { retrain },
    shell: {
      report: {
        command: 'sh report.sh {location}',
        parameters: z.object({ location: z.string().min(1) }),
        timeoutSeconds: 60,
      },
    },
  })
  .build()

export default service
if (import.meta.main) await service.listen()
