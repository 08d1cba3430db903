import { BaseServiceBuilder, type RegistrationOptions } from 'chapkit'
import { expect, test } from 'vitest'
import { advertise } from './address.ts'

const build = (options?: RegistrationOptions) =>
  new BaseServiceBuilder({ info: { id: 'a', display_name: 'A' } }).withRegistration(options).build()

test.each([
  [{ orchestratorUrl: 'chap:8000' }, 'orchestratorUrl: Expected the whole URL'],
  [{ host: 'http://model' }, 'host: Expected a name or an address'],
  [{ port: 0 }, 'port: '],
  [{ port: 80.5 }, 'port: '],
  [{ url: 'model:8000' }, 'url: Expected a URL such as'],
  [{ url: 'https://me:hunter2@model/' }, 'url: Expected a URL without a user'],
  [{ url: 'https://model/?a=1' }, 'url: Expected a URL without a user'],
  [{ serviceKey: 'hunter2\n' }, 'serviceKey: Expected printable ASCII'],
  [{ keepaliveInterval: 0 }, 'keepaliveInterval: '],
  [{ hostEnv: 'A B' }, 'hostEnv: Expected the name'],
  [{ retries: 5 }, 'retries'],
])('%j is refused by name', (options, message) => {
  expect(() => build(options as RegistrationOptions)).toThrow(message)
  expect(() => build(options as RegistrationOptions)).not.toThrow(/hunter2/)
})

test('every option may be left out, or undefined', () => {
  const { registration } = build().spec
  expect(registration).toEqual({ settings: {}, variables: {}, url: null, keepaliveMs: 10_000 })
  expect(build({ host: undefined, serviceKey: undefined }).spec.registration).toEqual(registration)
})

const listening = { address: '0.0.0.0', family: 'IPv4', port: 8001 }
const nothing = { url: null, host: null, port: null, hostname: 'model-1' }

test.each([
  [{}, 'http://model-1:8001'],
  [{ host: 'model.example' }, 'http://model.example:8001'],
  [{ host: 'model.example', port: 80 }, 'http://model.example:80'],
  [{ host: '::1' }, 'http://[::1]:8001'],
  [{ host: '[::1]' }, 'http://[::1]:8001'],
  [
    { url: 'https://model.example/forecasts', host: 'x', port: 1 },
    'https://model.example/forecasts',
  ],
])('the address of %j is %s', (given, url) => {
  expect(advertise({ ...nothing, ...given }, listening).url).toBe(url)
})

test.each([
  [{}, '127.0.0.1', true],
  [{}, '::1', true],
  [{}, '0.0.0.0', false],
  [{ host: 'model.example' }, '127.0.0.1', false],
  [{ url: 'https://model.example' }, '127.0.0.1', false],
])('%j on %s is hidden: %s', (given, address, isHidden) => {
  expect(advertise({ ...nothing, ...given }, { ...listening, address }).isHidden).toBe(isHidden)
})
