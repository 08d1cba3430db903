import { ulidSchema } from '../kernel/id.ts'
import { toJsonSchema } from '../kernel/json-schema.ts'
import { RunInfo } from './run-info.ts'

/** Shapes and examples of the ML operations in the OpenAPI document. */
const frame = {
  title: 'DataFrame',
  type: 'object',
  required: ['columns', 'data'],
  properties: {
    columns: { type: 'array', items: { type: 'string', minLength: 1 }, uniqueItems: true },
    data: {
      type: 'array',
      description: 'Rows, each as long as `columns`',
      items: { type: 'array', items: { type: ['string', 'number', 'boolean', 'null'] } },
    },
    schema: {
      type: ['object', 'null'],
      properties: {
        fields: {
          type: 'array',
          items: {
            type: 'object',
            required: ['name', 'type'],
            properties: {
              name: { type: 'string' },
              type: { enum: ['string', 'integer', 'number', 'boolean', 'any'] },
            },
          },
        },
      },
    },
  },
} as const

const geo = {
  type: ['object', 'null'],
  description: 'GeoJSON FeatureCollection (RFC 7946)',
} as const
const id = ulidSchema

const runInfo = {
  ...toJsonSchema(RunInfo),
  type: ['object', 'null'],
  description: 'What is particular to this run; unknown members are ignored',
}

const trainProperties = { config_id: id, data: frame, geo, run_info: runInfo } as const
const predictProperties = {
  ...{ artifact_id: id, historic: frame, future: frame, geo, run_info: runInfo },
} as const
const count = (fallback: number, minimum: number) => ({
  type: 'integer',
  minimum,
  maximum: 1_000_000,
  default: fallback,
})

export const schemas = {
  trainQuery: {
    type: 'object',
    properties: {
      config_id: { type: 'string', description: 'Config of a CSV body' },
      delimiter: {
        type: 'string',
        description:
          'Between the columns of a CSV body: comma, semicolon, tab, pipe, space, or the character; default comma',
      },
      decimal: { type: 'string', description: 'Decimal mark of a CSV body: . (default) or ,' },
      map: {
        anyOf: [{ type: 'array', items: { type: 'string' } }, { type: 'string' }],
        description: 'Renames a column of a CSV body, such as date=time_period; may be given again',
      },
      date_format: {
        type: 'string',
        description:
          'Reads time_period of a CSV body as dates, by the directives of strptime: %d/%m/%Y',
      },
      prediction_periods: {
        type: 'integer',
        minimum: Number.MIN_SAFE_INTEGER,
        maximum: Number.MAX_SAFE_INTEGER,
        description: 'Periods to forecast, for a CSV file',
      },
    },
  },
  trainIn: { type: 'object', required: ['config_id', 'data'], properties: trainProperties },
  predictIn: {
    type: 'object',
    required: ['artifact_id', 'historic', 'future'],
    properties: predictProperties,
  },
  validateIn: {
    oneOf: [
      {
        type: 'object',
        required: ['type', 'config_id', 'data'],
        properties: { type: { const: 'train' }, ...trainProperties },
      },
      {
        type: 'object',
        required: ['type', 'artifact_id', 'historic', 'future'],
        properties: { type: { const: 'predict' }, ...predictProperties },
      },
    ],
  },
  submitted: {
    type: 'object',
    required: ['job_id', 'artifact_id', 'message'],
    properties: { job_id: id, artifact_id: id, message: { type: 'string' } },
  },
  verdict: {
    type: 'object',
    required: ['valid', 'diagnostics'],
    properties: {
      valid: { type: 'boolean' },
      diagnostics: {
        type: 'array',
        items: {
          type: 'object',
          required: ['severity', 'code', 'message', 'field'],
          properties: {
            severity: { enum: ['error', 'warning', 'info'] },
            code: { type: 'string', maxLength: 128 },
            message: { type: 'string', maxLength: 2048 },
            field: { type: ['string', 'null'], maxLength: 256 },
          },
        },
      },
    },
  },
  sampleQuery: {
    type: 'object',
    properties: {
      kind: { enum: ['train', 'predict'], default: 'train' },
      config_id: {
        type: 'string',
        maxLength: 100,
        description: 'A config whose covariates the sample has',
      },
      num_locations: count(5, 0),
      num_periods: count(50, 0),
      num_features: count(3, 0),
      period_type: { enum: ['monthly', 'weekly'] },
      geo_type: { enum: ['polygon', 'point'], default: 'polygon' },
      include_geo: { type: 'boolean' },
      seed: {
        type: 'integer',
        minimum: Number.MIN_SAFE_INTEGER,
        maximum: Number.MAX_SAFE_INTEGER,
        default: -1,
      },
    },
  },
} as const

const configId = '01K72P5N5KCRM6MD3BRE4P0778'
const artifactId = '01M82EBCXSKZTTGQH3QVBRBH9G'
const jobId = '01M82EBCXSJH55R1P2FPAESF2G'
const columns = [
  'time_period',
  'location',
  'rainfall',
  'mean_temperature',
  'disease_cases',
  'population',
]
const data = {
  columns,
  data: [
    ['2020-01', 'l0', 210.5, 26.1, 12, 426640],
    ['2020-02', 'l0', 180.2, 26.4, 18, 426640],
  ],
}
const future = {
  columns: columns.filter((name) => name !== 'disease_cases'),
  data: [['2020-03', 'l0', 190, 26.2, 426640]],
}
const trainIn = { config_id: configId, data }

export const examples = {
  trainIn,
  predictIn: { artifact_id: artifactId, historic: data, future },
  validateIn: { type: 'train', ...trainIn },
  csv: 'time_period,location,rainfall,disease_cases\n2020-01,l0,210.5,12\n2020-02,l0,180.2,18\n',
  sample: trainIn,
  submitted: {
    job_id: jobId,
    artifact_id: artifactId,
    message: `Training job submitted. Job ID: ${jobId}`,
  },
  verdict: {
    valid: false,
    diagnostics: [
      { severity: 'error', code: 'data_empty', message: 'Training data is empty', field: 'data' },
    ],
  },
}
