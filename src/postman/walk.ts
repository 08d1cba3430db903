import { successOf } from './document.ts'
import { type StepOptions, singular, toStep, variableFor } from './requests.ts'
import type { Endpoint, Item } from './schema.ts'
import * as scripts from './scripts.ts'

const { capture, stopOnFailure, testsOfSuccess } = scripts

/** The folder that a newcomer runs first: one request after the other, each with what the ones before have captured. */
export function createWalk(endpoints: readonly Endpoint[], isProtected: boolean): Item[] {
  const find = (method: string, suffix: string) =>
    endpoints.find((each) => each.method === method && each.path.endsWith(suffix))
  const steps: Step[] = []
  const add: Add = (endpoint, options) => {
    if (endpoint) steps.push({ endpoint, options })
  }

  add(find('GET', '/health'), {
    name: 'Is the service well?',
    tests: [
      "pm.test('Service can be used', () => {",
      "  pm.expect(pm.response.json().status).to.be.oneOf(['healthy', 'degraded'])",
      '})',
    ],
  })
  const isMl = needed.every(([method, suffix]) => find(method, suffix))
  add(find('GET', '/info'), {
    name: 'What is it?',
    tests: isMl ? scripts.capturePeriods : [],
  })
  if (isMl) addForecast(find, add)
  add(find('GET', '/tasks'), { name: 'Which tasks has it?' })
  add(find('GET', '/schedules'), { name: 'When does it run them?' })
  const own = isMl ? /\/(configs|artifacts|jobs)$/ : /\/jobs$/
  for (const each of resources(endpoints).filter(({ create }) => !own.test(create.path)))
    addResource(each, add)
  if (isMl) addCleanUp(find, add)

  return steps.map(({ endpoint, options }, at) => {
    const name = `${at + 1}. ${options.name}`
    const isLast = at === steps.length - 1
    const tests = [
      ...testsOfSuccess(endpoint.operation, options),
      ...(options.isPoll ? scripts.pollTests(name) : (options.tests ?? [])),
      ...(isLast ? scripts.endOfWalk : []),
    ]
    return toStep(endpoint, isProtected, { ...options, name, tests })
  })
}

/** Without these there is no way from a config to a forecast. */
const needed = [
  ['POST', '/configs'],
  ['GET', '/ml/$generate-sample-data'],
  ['POST', '/ml/$train'],
  ['POST', '/ml/$predict'],
] as const

interface Step {
  endpoint: Endpoint
  options: WalkOptions
}

interface WalkOptions extends StepOptions {
  name: string
  /** Whether it is asked again until a job has ended. */
  isPoll?: boolean
  /** Of the answer, where the document leaves it open. */
  mediaType?: string
  /** Whether a rule of the service may stand against it. */
  mayRefuse?: boolean
}

type Find = (method: string, suffix: string) => Endpoint | undefined
type Add = (endpoint: Endpoint | undefined, options: WalkOptions) => void

/** Equal for training and prediction, so that the locations are the same. */
const sample = { num_locations: '3', num_periods: '36', num_features: '0', seed: '1' }

/** From a config to a forecast. */
function addForecast(find: Find, add: Add): void {
  add(find('GET', '/configs/$schema'), {
    name: 'Which options has the model?',
    tests: scripts.captureOptions,
  })
  add(find('POST', '/configs'), {
    name: 'Create a config',
    body: '{\n  "name": "Walk through {{$timestamp}}",\n  "data": {{options}}\n}',
    tests: [...capture({ config_id: 'id' }), ...stopOnFailure],
  })
  const makesSamples = find('GET', '/ml/$generate-sample-data')
  add(makesSamples, {
    name: 'Get data to train with',
    query: { kind: 'train', ...sample },
    tests: scripts.captureTrainingData,
  })
  add(find('POST', '/ml/$validate'), {
    name: 'Would a training with it work?',
    body: '{\n  "type": "train",\n  "config_id": "{{config_id}}",\n  "data": {{data}},\n  "geo": {{geo}}\n}',
    tests: scripts.testVerdict,
  })
  add(find('POST', '/ml/$train'), {
    name: 'Train a model',
    body: '{\n  "config_id": "{{config_id}}",\n  "data": {{data}},\n  "geo": {{geo}}\n}',
    tests: [
      ...capture({ train_job_id: 'job_id', job_id: 'job_id', artifact_id: 'artifact_id' }),
      ...stopOnFailure,
    ],
  })
  addPoll(find, add, 'Wait until it is trained')
  add(makesSamples, {
    name: 'Get data to predict from',
    query: { kind: 'predict', ...sample },
    tests: scripts.capturePredictionData,
  })
  const predictBody =
    '"artifact_id": "{{artifact_id}}",\n  "historic": {{historic}},\n  "future": {{future}},\n  "geo": {{geo}}\n}'
  add(find('POST', '/ml/$validate'), {
    name: 'Would a prediction from it work?',
    body: `{\n  "type": "predict",\n  ${predictBody}`,
    tests: scripts.testVerdict,
  })
  add(find('POST', '/ml/$predict'), {
    name: 'Predict',
    body: `{\n  ${predictBody}`,
    tests: [...capture({ job_id: 'job_id', prediction_id: 'artifact_id' }), ...stopOnFailure],
  })
  addPoll(find, add, 'Wait until it is predicted')
  const prediction = { path: { id: 'prediction_id' } }
  add(find('GET', '/artifacts/{id}'), {
    name: 'Read the prediction',
    ...prediction,
    tests: scripts.testPrediction,
  })
  add(find('GET', '/artifacts/{id}/$download'), {
    name: 'Download the prediction as CSV',
    ...prediction,
    query: { format: 'csv' },
    mediaType: 'text/csv',
    tests: scripts.testCsv,
  })
  add(find('GET', '/artifacts/{id}/$tree'), {
    name: 'See what was made of the model',
    tests: scripts.testTree,
  })
}

function addPoll(find: Find, add: Add, name: string): void {
  add(find('GET', '/jobs/{id}'), { name, isPoll: true })
}

/** What the walk has made, in an order in which nothing is needed any more when it goes. */
function addCleanUp(find: Find, add: Add): void {
  const remove = find('DELETE', '/artifacts/{id}')
  add(remove, { name: 'Delete the prediction', path: { id: 'prediction_id' } })
  add(remove, { name: 'Delete the model' })
  add(find('DELETE', '/jobs/{id}'), { name: 'Delete the job of the prediction' })
  add(find('DELETE', '/jobs/{id}'), {
    name: 'Delete the job of the training',
    path: { id: 'train_job_id' },
  })
  add(find('DELETE', '/configs/{id}'), { name: 'Delete the config' })
}

interface Resource {
  create: Endpoint
  read: Endpoint
  list: Endpoint | undefined
  remove: Endpoint
}

/** What can be created, read and deleted by anybody who may use the service. */
function resources(endpoints: readonly Endpoint[]): Resource[] {
  const at = (method: string, path: string) =>
    endpoints.find((each) => each.method === method && each.path === path)
  return endpoints.flatMap((create) => {
    const { path, operation } = create
    const read = at('GET', `${path}/{id}`)
    const remove = at('DELETE', `${path}/{id}`)
    const isOpen = operation.responses?.['403'] === undefined && !refersTo(exampleOf(create))
    const makes = create.method === 'POST' && successOf(operation)?.status === 201
    return makes && isOpen && read && remove
      ? [{ create, read, remove, list: at('GET', path) }]
      : []
  })
}

function addResource({ create, read, list, remove }: Resource, add: Add): void {
  const collection = create.path.split('/').at(-1) ?? ''
  const noun = singular(collection)
  const article = /^[aeio]/.test(noun) ? 'an' : 'a'
  const variable = variableFor(collection, 'id')
  add(create, {
    name: `Create ${article} ${noun}`,
    ...bodyOf(create),
    tests: [...capture({ [variable]: 'id' }), ...stopOnFailure],
  })
  add(read, { name: `Read the ${noun}` })
  add(list, { name: `List the ${collection}` })
  add(remove, {
    name: `Delete the ${noun}`,
    mayRefuse: remove.operation.responses?.['409'] !== undefined,
  })
}

/** The example of the document, with another address in every walk: addresses are what is unique most often. */
function bodyOf(create: Endpoint): Pick<StepOptions, 'body'> {
  const example = exampleOf(create)
  if (example === undefined) return {}
  const text = JSON.stringify(example, null, 2)
  return { body: text.replace(/"([\w.]+)@example\.org"/g, '"$1.{{$guid}}@example.org"') }
}

const exampleOf = ({ operation }: Endpoint): unknown =>
  operation.requestBody?.content['application/json']?.example

/** Whether an example names something else by its id, which nobody has made. */
function refersTo(example: unknown): boolean {
  if (example === null || typeof example !== 'object') return false
  return Object.entries(example).some(
    ([key, value]) => key.endsWith('_id') && typeof value === 'string',
  )
}
