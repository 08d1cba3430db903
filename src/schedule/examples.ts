import {
  misfirePolicies,
  overlapPolicies,
  runOutcomes,
  type ScheduleOut,
  type ScheduleRun,
} from './schema.ts'

const text = { type: 'string' }
const timestamp = { type: 'string', format: 'date-time' }
const timestampOrNull = { type: ['string', 'null'], format: 'date-time' }
const textOrNull = { type: ['string', 'null'] }
const object = (properties: Record<string, unknown>) => ({
  type: 'object',
  required: Object.keys(properties),
  properties,
})

/** Shapes and examples in the OpenAPI document. */
export const scheduleSchema = {
  title: 'Schedule',
  ...object({
    id: { type: 'string', description: 'ULID' },
    created_at: timestamp,
    updated_at: timestamp,
    tags: { type: 'array', items: text },
    name: text,
    task_id: { type: 'string', description: 'The task that is executed' },
    parameters: { type: ['object', 'null'], additionalProperties: true },
    trigger: {
      oneOf: [
        object({ type: { const: 'cron' }, expression: text, zone: text }),
        object({
          type: { const: 'interval' },
          every: { type: 'integer', description: 'Seconds' },
          anchor: timestamp,
        }),
        object({ type: { const: 'once' }, at: timestamp }),
      ],
    },
    misfire: { enum: [...misfirePolicies] },
    misfire_grace_seconds: { type: 'integer' },
    overlap: { enum: [...overlapPolicies] },
    paused: { type: 'boolean' },
    paused_reason: { ...textOrNull, description: 'Why the service paused it' },
    declared: { type: 'boolean', description: 'Whether it stands in the service file' },
    next_run_at: { ...timestampOrNull, description: 'Null when no slot is left, and when paused' },
    last_run_at: { ...timestampOrNull, description: 'When its newest job was submitted' },
    last_job_id: textOrNull,
  }),
}

export const exampleSchedule: ScheduleOut = {
  id: '01M82G4B7T5Z8Q2N6V1X3Y9KDE',
  created_at: '2026-11-22T20:13:11.482Z',
  updated_at: '2026-11-22T20:13:11.482Z',
  tags: ['surveillance'],
  name: 'retrain every Monday',
  task_id: '01M82F0C7XQ3J5V9A1B2C3D4E5',
  parameters: { tag: 'surveillance' },
  trigger: { type: 'cron', expression: '0 3 * * MON', zone: 'Africa/Kigali' },
  misfire: 'once',
  misfire_grace_seconds: 60,
  overlap: 'skip',
  paused: false,
  paused_reason: null,
  declared: false,
  next_run_at: '2026-11-23T01:00:00.000Z',
  last_run_at: '2026-11-16T01:00:00.004Z',
  last_job_id: '01M7FW9A4M3K8S1T6Y2B5C7D9F',
}

export const exampleIn = {
  name: 'retrain every Monday',
  task_id: '01M82F0C7XQ3J5V9A1B2C3D4E5',
  parameters: { tag: 'surveillance' },
  trigger: { type: 'cron', expression: '0 3 * * MON', zone: 'Africa/Kigali' },
  misfire: 'once',
  overlap: 'skip',
  tags: ['surveillance'],
}

export const runSchema = {
  title: 'ScheduleRun',
  ...object({
    id: { type: 'string', description: 'ULID' },
    scheduled_at: { ...timestampOrNull, description: 'The slot; null after `$trigger`' },
    outcome: { enum: [...runOutcomes] },
    decided_at: timestamp,
    job_id: textOrNull,
    job_status: { ...textOrNull, description: 'Null without a job, and when it has been deleted' },
    reason: textOrNull,
    count: { type: 'integer', description: 'Slots that this stands for: those that were missed' },
    is_more: { type: 'boolean', description: 'Whether there were more than `count`' },
    first_scheduled_at: timestampOrNull,
  }),
}

export const exampleRun: ScheduleRun = {
  id: '01M7FW9A4M3K8S1T6Y2B5C7D9E',
  scheduled_at: '2026-11-16T01:00:00.000Z',
  outcome: 'submitted',
  decided_at: '2026-11-16T01:00:00.004Z',
  job_id: '01M7FW9A4M3K8S1T6Y2B5C7D9F',
  job_status: 'completed',
  reason: null,
  count: 1,
  is_more: false,
  first_scheduled_at: null,
}

export const exampleTriggered: ScheduleRun = {
  ...exampleRun,
  scheduled_at: null,
  job_status: 'pending',
}
