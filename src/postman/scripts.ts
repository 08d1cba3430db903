import { isStream, requiredOf, successOf } from './document.ts'
import type { Operation } from './schema.ts'

/**
 * Lines of the scripts that Postman and newman run. They are written out in every request, short enough to be read there: a
 * collection has no place for code that its requests share.
 */

const quote = (text: string): string => JSON.stringify(text)

/** Of any answer: that the document names its status and its media type. */
export function testsOfAnswers(operation: Operation): string[] {
  const statuses = Object.keys(operation.responses ?? {}).filter((code) => /^\d+$/.test(code))
  if (statuses.length === 0 || isStream(operation)) return []
  const types = new Set(
    Object.values(operation.responses ?? {}).flatMap(({ content = {} }) => Object.keys(content)),
  )
  return [
    "pm.test('Status is one of the documented ones', () => {",
    `  pm.expect(pm.response.code).to.be.oneOf([${statuses.join(', ')}])`,
    '})',
    ...(types.size === 0 || types.has('*/*')
      ? []
      : [
          "pm.test('Content type is a documented one', () => {",
          "  const [type] = (pm.response.headers.get('Content-Type') || '').split(';')",
          `  if (type !== '') pm.expect(type).to.be.oneOf([${[...types].map(quote).join(', ')}])`,
          '})',
        ]),
  ]
}

/** Of a good answer: its status, its media type, and the members that its schema promises. */
export function testsOfSuccess(
  operation: Operation,
  { mediaType, mayRefuse = false }: { mediaType?: string; mayRefuse?: boolean } = {},
): string[] {
  const success = successOf(operation)
  if (success === null) return []
  const type = mediaType ?? success.mediaType
  const required = requiredOf(success.schema)
  return [
    ...testOfStatus(operation.responses?.['202'] ? 202 : success.status, mayRefuse),
    ...(type === null || type === '*/*'
      ? []
      : [
          `pm.test('Content type is ${type}', () => {`,
          `  pm.expect(pm.response.headers.get('Content-Type')).to.include(${quote(type)})`,
          '})',
        ]),
    ...(required.length === 0 || type !== 'application/json'
      ? []
      : [
          "pm.test('Answer has the promised members', () => {",
          `  pm.expect(pm.response.json()).to.include.all.keys(${required.map(quote).join(', ')})`,
          '})',
        ]),
  ]
}

/** A submit is answered with 202; 200 is for clients that wait. */
function testOfStatus(status: number, mayRefuse: boolean): string[] {
  if (!mayRefuse)
    return [`pm.test('Status is ${status}', () => pm.response.to.have.status(${status}))`]
  return [
    `pm.test('Status is ${status}, or 409 where a rule of the service stands against it', () => {`,
    `  pm.expect(pm.response.code).to.be.oneOf([${status}, 409])`,
    '})',
  ]
}

/** Keeps members of the answer for later requests. Nothing is kept of an answer that lacks them. */
export function capture(members: Readonly<Record<string, string>>): string[] {
  return [
    'if (pm.response.code < 300) {',
    '  const answer = pm.response.json()',
    ...Object.entries(members).map(
      ([variable, member]) => `  pm.collectionVariables.set(${quote(variable)}, answer.${member})`,
    ),
    '}',
  ]
}

/** Ends the run where what comes next would be asked in vain. */
export const stopOnFailure: readonly string[] = [
  '// Without this, what follows has nothing to work on.',
  'if (pm.response.code >= 300) pm.execution.setNextRequest(null)',
]

/** Options that the service wants and nobody has given, from the schema of its configs. */
export const captureOptions: readonly string[] = [
  'const schema = pm.response.json()',
  'const options = {}',
  'for (const name of schema.required || []) {',
  '  const option = (schema.properties || {})[name] || {}',
  "  if ('default' in option) continue",
  '  const byType = { string: "example", boolean: true, array: [], object: {} }',
  '  const [first] = option.examples || option.enum || []',
  '  options[name] = first ?? option.minimum ?? byType[option.type] ?? 1',
  '}',
  '// As many periods as the service forecasts, three if it may.',
  "const periods = Number(pm.collectionVariables.get('periods')) || 3",
  'options.prediction_periods = periods',
  "pm.collectionVariables.set('options', JSON.stringify(options))",
]

/** How many periods the service is asked for. */
export const capturePeriods: readonly string[] = [
  'const info = pm.response.json()',
  'const least = info.min_prediction_periods ?? 1',
  'const most = info.max_prediction_periods ?? 100',
  "pm.collectionVariables.set('periods', Math.min(Math.max(3, least), Math.max(1, most)))",
]

export const captureTrainingData: readonly string[] = [
  'const sample = pm.response.json()',
  "pm.test('There are rows to train with', () => pm.expect(sample.data.data).to.not.be.empty)",
  "pm.collectionVariables.set('data', JSON.stringify(sample.data))",
  "pm.collectionVariables.set('geo', JSON.stringify(sample.geo ?? null))",
]

/** Of the periods that are there as many as the config asks for. */
export const capturePredictionData: readonly string[] = [
  'const { historic, future } = pm.response.json()',
  "pm.test('There are rows to predict from', () => pm.expect(historic.data).to.not.be.empty)",
  "const at = future.columns.indexOf('time_period')",
  "const wanted = Number(pm.collectionVariables.get('periods')) || 3",
  'const periods = [...new Set(future.data.map((row) => row[at]))].slice(0, wanted)',
  'future.data = future.data.filter((row) => periods.includes(row[at]))',
  "pm.collectionVariables.set('historic', JSON.stringify(historic))",
  "pm.collectionVariables.set('future', JSON.stringify(future))",
  "pm.collectionVariables.set('rows', future.data.length)",
]

export const testVerdict: readonly string[] = [
  "pm.test('Nothing stands against it', () => {",
  '  const { valid, diagnostics } = pm.response.json()',
  '  pm.expect(valid, JSON.stringify(diagnostics)).to.equal(true)',
  '})',
]

/** Asks again until the job has ended, at most `poll_limit` times, with a pause of `poll_pause` milliseconds in between. */
export function pollTests(name: string): string[] {
  return [
    'const job = pm.response.json()',
    "const asked = Number(pm.collectionVariables.get('polls') || 0) + 1",
    "const limit = Number(pm.variables.get('poll_limit'))",
    "const isRunning = ['pending', 'running'].includes(job.status)",
    'if (pm.response.code === 200 && isRunning && asked < limit) {',
    "  pm.collectionVariables.set('polls', asked)",
    `  pm.execution.setNextRequest(${quote(name)})`,
    '  // The script lasts as long as its timers: this is the pause.',
    "  setTimeout(() => {}, Number(pm.variables.get('poll_pause')))",
    '} else {',
    "  pm.collectionVariables.set('polls', 0)",
    "  pm.test('Job has completed', () => {",
    "    pm.expect(job.status, job.error || 'status').to.equal('completed')",
    '  })',
    "  if (job.status !== 'completed') pm.execution.setNextRequest(null)",
    '}',
  ]
}

export const testPrediction: readonly string[] = [
  "pm.test('Every row that was asked for has samples', () => {",
  '  const { columns, data } = pm.response.json().data.content',
  "  pm.expect(columns).to.include.members(['time_period', 'location'])",
  "  pm.expect(columns.some((name) => name.startsWith('sample_'))).to.equal(true)",
  "  pm.expect(data).to.have.lengthOf(Number(pm.collectionVariables.get('rows')))",
  '})',
]

export const testCsv: readonly string[] = [
  "pm.test('File has a header and a line for every row', () => {",
  '  const lines = pm.response.text().trim().split(/\\r?\\n/)',
  "  pm.expect(lines[0]).to.include('time_period')",
  "  pm.expect(lines).to.have.lengthOf(Number(pm.collectionVariables.get('rows')) + 1)",
  '})',
]

export const testTree: readonly string[] = [
  "pm.test('Prediction hangs below its model', () => {",
  '  const below = pm.response.json().children.map(({ id }) => id)',
  "  pm.expect(below).to.include(pm.collectionVariables.get('prediction_id'))",
  '})',
]

/** The last request of a walk: a run of the whole collection ends with it. */
export const endOfWalk: readonly string[] = [
  '// The folders below are for looking things up and trying them one by one.',
  'pm.execution.setNextRequest(null)',
]
