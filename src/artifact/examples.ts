import { frameMediaType } from './schema.ts'

/** Shapes and examples of artifacts in the OpenAPI document. */
export const outSchema = {
  title: 'ArtifactOut',
  type: 'object',
  required: ['id', 'created_at', 'updated_at', 'data', 'level'],
  properties: {
    id: { type: 'string', description: 'ULID' },
    created_at: { type: 'string', format: 'date-time' },
    updated_at: { type: 'string', format: 'date-time' },
    tags: { type: 'array', items: { type: 'string' } },
    data: { description: 'Any JSON; in lists without its `content`' },
    parent_id: { type: ['string', 'null'], default: null },
    level: { type: 'integer', minimum: 0 },
  },
} as const

export const nodeSchema = {
  ...outSchema,
  title: 'ArtifactNode',
  required: [...outSchema.required, 'level_label', 'hierarchy', 'children'],
  properties: {
    ...outSchema.properties,
    level_label: { type: 'string' },
    hierarchy: { type: 'string' },
    children: { type: ['array', 'null'], items: { type: 'object' } },
  },
} as const

const metadata = {
  status: 'success',
  config_id: '01K72P5N5KCRM6MD3BRE4P0778',
  started_at: '2026-11-22T20:14:52.352Z',
  completed_at: '2026-11-22T20:14:52.371Z',
  duration_seconds: 0.02,
  exit_code: null,
  stdout: null,
  stderr: null,
}

export const exampleArtifact = {
  id: '01M82EBCXSKZTTGQH3QVBRBH9G',
  created_at: '2026-11-22T20:14:52.371Z',
  updated_at: '2026-11-22T20:14:52.371Z',
  tags: [],
  data: {
    type: 'ml_training_workspace',
    metadata,
    content_type: 'application/zip',
    content_size: 1639,
  },
  parent_id: null,
  level: 0,
}

export const exampleFrameArtifact = {
  ...exampleArtifact,
  data: {
    type: 'ml_prediction',
    metadata,
    content: {
      columns: ['time_period', 'location', 'sample_0'],
      data: [['2020-03', 'l0', 1.5]],
      schema: {
        fields: [
          { name: 'time_period', type: 'string' },
          { name: 'location', type: 'string' },
          { name: 'sample_0', type: 'number' },
        ],
      },
    },
    content_type: frameMediaType,
    content_size: null,
  },
  parent_id: '01M82EBCXSKZTTGQH3QVBRBH9F',
  level: 1,
}
