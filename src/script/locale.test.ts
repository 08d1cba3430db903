import { expect, test } from 'vitest'
import { chooseLocale, findLocale } from './locale.ts'

const debian = ['C', 'C.utf8', 'POSIX']
const many = [...debian, 'en_US.utf8', 'de_DE', 'de_DE.iso88591', 'de_DE.utf8', 'fr_FR']

test.each<[string, Record<string, string>, readonly string[] | null, Record<string, string>]>([
  ['none of its own', {}, debian, { LANG: 'C.UTF-8' }],
  ['POSIX', { LC_ALL: 'POSIX' }, many, { LANG: 'C.UTF-8' }],
  ['C over another one', { LC_ALL: 'C', LANG: 'de_DE.UTF-8' }, many, { LANG: 'C.UTF-8' }],
  ['one that is not installed', { LC_ALL: 'en_US.UTF-8' }, debian, { LANG: 'C.UTF-8' }],
  ['ISO-8859-1', { LANG: 'de_DE.ISO-8859-1' }, many, { LANG: 'de_DE.UTF-8' }],
  ['ISO-8859-1, and no UTF-8 of its language', { LANG: 'fr_FR' }, many, { LANG: 'C.UTF-8' }],
  ['UTF-8', { LANG: 'de_DE.UTF-8' }, many, { LANG: 'de_DE.UTF-8' }],
  ['UTF-8 in another spelling', { LC_ALL: 'de_DE.utf8' }, many, { LANG: 'de_DE.utf8' }],
  ['an empty LC_ALL', { LC_ALL: '', LANG: 'de_DE.UTF-8' }, many, { LANG: 'de_DE.UTF-8' }],
  ['a decimal comma', { LANG: 'C.UTF-8', LC_NUMERIC: 'de_DE.UTF-8' }, many, { LANG: 'C.UTF-8' }],
  [
    'an order of its own',
    { LANG: 'en_US.UTF-8', LC_COLLATE: 'C', LC_TIME: 'fr_FR.UTF-8' },
    many,
    { LANG: 'en_US.UTF-8', LC_COLLATE: 'C' },
  ],
  [
    'plain C but for letters',
    { LANG: 'C', LC_CTYPE: 'en_US.UTF-8' },
    many,
    { LANG: 'C', LC_CTYPE: 'en_US.UTF-8' },
  ],
  ['letters in nothing', { LC_CTYPE: 'UTF-8', LANG: 'de_DE.UTF-8' }, many, { LANG: 'de_DE.UTF-8' }],
  ['no program that could tell', { LANG: 'en_US.UTF-8' }, null, { LANG: 'C.UTF-8' }],
  ['only an unusual one there', {}, ['C', 'ta_IN.UTF-8'], { LANG: 'ta_IN.UTF-8' }],
])(
  'where the service has %s, scripts get a UTF-8 locale that is there',
  (_, service, installed, expected) => {
    expect(chooseLocale(service, installed).variables).toEqual({ LC_NUMERIC: 'C', ...expected })
  },
)

test('where no UTF-8 locale is installed, none is named', () => {
  expect(chooseLocale({ LANG: 'en_US.UTF-8' }, ['C', 'POSIX', 'en_US'])).toEqual({
    ...{ name: null, isOwn: false, variables: { LC_NUMERIC: 'C' } },
  })
})

test('a machine without the program `locale` has C.UTF-8', async () => {
  expect(await findLocale({ PATH: '/nowhere' })).toMatchObject({ name: 'C.UTF-8' })
})
