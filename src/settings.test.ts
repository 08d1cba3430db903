import { availableParallelism, totalmem } from 'node:os'
import { expect, test } from 'vitest'
import { environmentNames, parseClientSettings, parseSettings, withoutSecrets } from './settings.ts'

test('an empty environment has a default for everything', () => {
  expect(parseSettings({})).toEqual({
    host: '127.0.0.1',
    port: 8000,
    dataDir: './data',
    tempDir: null,
    databaseUrl: null,
    publicUrl: null,
    allowedHosts: [],
    maxBody: 67_108_864,
    maxDocument: 262_144,
    maxBodies: 134_217_728,
    maxRequests: 256,
    maxStreams: 1000,
    maxConnections: 5000,
    corsOrigins: [],
    frameOrigins: [],
    drainMs: 25_000,
    jobRetentionMs: 30 * 86_400_000,
    maxQueuedJobs: 10_000,
    concurrency: { train: 1, predict: availableParallelism(), task: 2 },
    modelMemory: expect.any(Number),
    gitRevision: null,
    orchestratorUrl: null,
    advertisedHost: null,
    advertisedPort: null,
    registrationKey: null,
    logLevel: 'info',
    logFormat: null,
  })
})

test('a model may take half of the memory unless it is said otherwise', () => {
  const { modelMemory } = parseSettings({})
  expect(modelMemory).toBeGreaterThan(0)
  expect(modelMemory).toBeLessThanOrEqual(totalmem() / 2)
})

const given = {
  HOST: ['0.0.0.0', { host: '0.0.0.0' }],
  PORT: ['0', { port: 0 }],
  CHAPKIT_DATA_DIR: ['/srv/data', { dataDir: '/srv/data' }],
  CHAPKIT_TEMP_DIR: ['/scratch', { tempDir: '/scratch' }],
  DATABASE_URL: ['sqlite:///x.db', { databaseUrl: 'sqlite:///x.db' }],
  CHAPKIT_PUBLIC_URL: ['https://chap.example/model//', { publicUrl: 'https://chap.example/model' }],
  CHAPKIT_ALLOWED_HOSTS: [
    'forecast.example.org, *.example.net,[fd00::7]',
    { allowedHosts: ['forecast.example.org', '*.example.net', '[fd00::7]'] },
  ],
  CHAPKIT_MAX_BODY: ['2048', { maxBody: 2048 }],
  CHAPKIT_MAX_DOCUMENT: ['2048', { maxDocument: 2048 }],
  CHAPKIT_MAX_BODIES: ['4096', { maxBodies: 4096 }],
  CHAPKIT_MAX_REQUESTS: ['10', { maxRequests: 10 }],
  CHAPKIT_MAX_STREAMS: ['20', { maxStreams: 20 }],
  CHAPKIT_MAX_CONNECTIONS: ['30', { maxConnections: 30 }],
  CHAPKIT_CORS_ORIGINS: [
    'https://a.example , https://b.example,',
    { corsOrigins: ['https://a.example', 'https://b.example'] },
  ],
  // Read by services that ask for keys, and no settings.
  CHAPKIT_FRAME_ORIGINS: [
    'https://dhis2.example.org,http://localhost:8080',
    { frameOrigins: ['https://dhis2.example.org', 'http://localhost:8080'] },
  ],
  CHAPKIT_API_KEYS: ['a', {}],
  SERVICEKIT_API_KEYS: ['a', {}],
  CHAPKIT_DRAIN_SECONDS: ['0', { drainMs: 0 }],
  CHAPKIT_JOB_RETENTION_DAYS: ['7', { jobRetentionMs: 7 * 86_400_000 }],
  CHAPKIT_MAX_QUEUED_JOBS: ['5', { maxQueuedJobs: 5 }],
  CHAPKIT_TRAIN_CONCURRENCY: ['2', { concurrency: { train: 2 } }],
  CHAPKIT_PREDICT_CONCURRENCY: ['4', { concurrency: { predict: 4 } }],
  CHAPKIT_TASK_CONCURRENCY: ['3', { concurrency: { task: 3 } }],
  CHAPKIT_MODEL_MEMORY: ['1073741824', { modelMemory: 2 ** 30 }],
  GIT_REVISION: [' abc1234\n', { gitRevision: 'abc1234' }],
  SERVICEKIT_ORCHESTRATOR_URL: [
    'http://chap:8000/v2/services/$register',
    { orchestratorUrl: 'http://chap:8000/v2/services/$register' },
  ],
  SERVICEKIT_HOST: ['model-1.local', { advertisedHost: 'model-1.local' }],
  SERVICEKIT_PORT: ['9000', { advertisedPort: 9000 }],
  SERVICEKIT_REGISTRATION_KEY: ['s3cret', { registrationKey: 's3cret' }],
  LOG_LEVEL: ['debug', { logLevel: 'debug' }],
  LOG_FORMAT: ['json', { logFormat: 'json' }],
} as const

test.each(Object.entries(given))(
  '%s is read, and an empty one counts as unset',
  (name, [text, settings]) => {
    expect(parseSettings({ [name]: text })).toMatchObject(settings)
    expect(parseSettings({ [name]: '' })).toEqual(parseSettings({}))
  },
)

test('every variable is among those above', () => {
  expect(Object.keys(given)).toEqual(environmentNames)
})

test.each([
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['PORT', '80.5'],
  ['PORT', '0x50'],
  ['PORT', ' '],
  ['PORT', 'http'],
  ['CHAPKIT_PUBLIC_URL', 'chap.example'],
  ['CHAPKIT_PUBLIC_URL', 'localhost:8000'],
  ['CHAPKIT_PUBLIC_URL', 'ftp://chap.example'],
  ['CHAPKIT_ALLOWED_HOSTS', 'http://example.org'],
  ['CHAPKIT_ALLOWED_HOSTS', 'example.org:8000'],
  ['CHAPKIT_ALLOWED_HOSTS', 'a.example, *.*.example'],
  ['CHAPKIT_ALLOWED_HOSTS', 'a*.example'],
  ['CHAPKIT_FRAME_ORIGINS', 'dhis2.example.org'],
  ['CHAPKIT_FRAME_ORIGINS', 'https://dhis2.example.org/app'],
  ['CHAPKIT_FRAME_ORIGINS', "https://a.example; script-src 'unsafe-inline'"],
  ['CHAPKIT_MAX_BODY', '10MB'],
  ['CHAPKIT_MAX_BODY', '1023'],
  ['CHAPKIT_DRAIN_SECONDS', '1e3'],
  // Beyond what a timer can wait, which would be no wait at all.
  ['CHAPKIT_DRAIN_SECONDS', '2147484'],
  ['CHAPKIT_JOB_RETENTION_DAYS', '0'],
  // Before the first date there is.
  ['CHAPKIT_JOB_RETENTION_DAYS', '100000000'],
  ['CHAPKIT_MAX_QUEUED_JOBS', '0'],
  ['CHAPKIT_TRAIN_CONCURRENCY', '0'],
  ['CHAPKIT_PREDICT_CONCURRENCY', '0'],
  ['CHAPKIT_TASK_CONCURRENCY', '0'],
  ['SERVICEKIT_HOST', 'http://model'],
  ['SERVICEKIT_HOST', 'cafe:8000'],
  ['SERVICEKIT_HOST', 'a b'],
  ['SERVICEKIT_PORT', '0'],
  ['SERVICEKIT_PORT', '65536'],
  ['LOG_LEVEL', 'loud'],
  ['LOG_FORMAT', 'xml'],
])('%s=%s is refused by name', (name, text) => {
  expect(() => parseSettings({ [name]: text })).toThrow(`${name}=${text}: `)
})

test.each([
  ['SERVICEKIT_REGISTRATION_KEY', 'hunter2 '],
  ['SERVICEKIT_REGISTRATION_KEY', 'hunter2\n'],
  ['SERVICEKIT_ORCHESTRATOR_URL', 'chap://me:hunter2@chap.example/'],
  ['SERVICEKIT_ORCHESTRATOR_URL', 'hunter2'],
])('%s that cannot be used is refused by name, and its value not shown', (name, text) => {
  expect(() => parseSettings({ [name]: text })).toThrow(`${name}=…: Expected`)
  expect(() => parseSettings({ [name]: text })).not.toThrow(/hunter2/)
})

test.each(['::1', '[::1]', 'fe80::1', '10.0.0.7', 'chap.example.'])('%s is a host', (host) => {
  expect(parseSettings({ SERVICEKIT_HOST: host }).advertisedHost).toBe(host)
})

test('a variable may be read by another name, which refusals name', () => {
  const renamed = { SERVICEKIT_PORT: 'MY_PORT' }
  const both = { MY_PORT: '1', SERVICEKIT_PORT: '2' }
  expect(parseSettings(both, renamed).advertisedPort).toBe(1)
  expect(() => parseSettings({ MY_PORT: 'x' }, renamed)).toThrow('MY_PORT=x: ')
})

test('models are given the environment without the secrets of the service', () => {
  const environment = { PATH: '/bin', SERVICEKIT_REGISTRATION_KEY: 'a', MY_KEY: 'b', OTHER: 'c' }
  const renamed = { SERVICEKIT_REGISTRATION_KEY: 'MY_KEY' }
  expect(withoutSecrets(environment, { renamed })).toEqual({ PATH: '/bin', OTHER: 'c' })
})

test('the key of whoever uses a service is not handed to models', () => {
  expect(withoutSecrets({ CHAPKIT_API_KEY: 'a', CHAPKIT_URL: 'b' })).toEqual({ CHAPKIT_URL: 'b' })
})

test('commands use the service of this machine unless the environment names another', () => {
  expect(parseClientSettings({ CHAPKIT_URL: '' })).toEqual({
    url: 'http://127.0.0.1:8000',
    apiKey: null,
  })
  expect(parseClientSettings({ CHAPKIT_URL: 'https://a.org', CHAPKIT_API_KEY: 'k' })).toEqual({
    url: 'https://a.org',
    apiKey: 'k',
  })
})

test('all that is wrong is named at once, and other variables are not looked at', () => {
  const parse = () => parseSettings({ PORT: 'a', LOG_LEVEL: 'b', SECRET: 'hunter2' })
  expect(parse).toThrow(/PORT=a.*\n.*LOG_LEVEL=b/)
  expect(parse).not.toThrow(/hunter2/)
})
