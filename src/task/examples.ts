import type { TaskOut } from './schema.ts'

/** Shapes and examples in the OpenAPI document. */
export const taskSchema = {
  title: 'Task',
  type: 'object',
  required: ['id', 'created_at', 'updated_at', 'command', 'task_type', 'parameters', 'enabled'],
  properties: {
    id: { type: 'string', description: 'ULID' },
    created_at: { type: 'string', format: 'date-time' },
    updated_at: { type: 'string', format: 'date-time' },
    command: { type: 'string', description: 'The command, or the name of the function' },
    task_type: { enum: ['shell', 'function'] },
    parameters: { type: ['object', 'null'], additionalProperties: true },
    enabled: { type: 'boolean', description: 'Whether it may run now' },
    disabled_reason: { type: ['string', 'null'] },
    name: { type: ['string', 'null'] },
    tags: { type: 'array', items: { type: 'string' } },
    declared: { type: 'boolean', description: 'Whether it stands in the service file' },
    retries: {
      type: ['object', 'null'],
      properties: {
        attempts: { type: 'integer' },
        delay_seconds: { type: 'number' },
        factor: { type: 'number' },
        max_delay_seconds: { type: 'number' },
      },
    },
    timeout_seconds: { type: ['number', 'null'] },
  },
} as const

export const exampleTask: TaskOut = {
  id: '01M82F0C7XQ3J5V9A1B2C3D4E5',
  created_at: '2026-11-22T20:13:11.482Z',
  updated_at: '2026-11-22T20:13:11.482Z',
  command: 'retrain',
  task_type: 'function',
  parameters: { tag: 'surveillance' },
  enabled: true,
  disabled_reason: null,
  name: 'retrain on surveillance data',
  tags: ['nightly'],
  declared: false,
  retries: { attempts: 3, delay_seconds: 10, factor: 2, max_delay_seconds: 3600 },
  timeout_seconds: 600,
}

export const exampleIn = {
  name: 'retrain on surveillance data',
  command: 'retrain',
  task_type: 'function',
  parameters: { tag: 'surveillance' },
  tags: ['nightly'],
  retries: { attempts: 3 },
  timeout_seconds: 600,
}

export const submittedSchema = {
  type: 'object',
  required: ['job_id', 'message', 'artifact_id'],
  properties: {
    job_id: { type: 'string' },
    message: { type: 'string' },
    artifact_id: { type: 'string', description: 'Where the result will be' },
  },
} as const

export const exampleSubmitted = {
  job_id: '01M82EBCXSJH55R1P2FPAESF2G',
  message: 'Task submitted for execution. Job ID: 01M82EBCXSJH55R1P2FPAESF2G',
  artifact_id: '01M82EBCXSKZTTGQH3QVBRBH9G',
}
