import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { endpointsOf, isPage, parseOpenApi } from '../src/postman/document.ts'
import { testWith } from './setup/needs.ts'
import { blocksOf, runCommands } from './setup/pages.ts'
import { serve } from './setup/serve.ts'

const root = join(import.meta.dirname, '..')
const page = 'docs/guides/quick-reference.md'
const commands = blocksOf(page)
  .filter(({ info, code }) => info === 'bash' && !code.startsWith('npx '))
  .map(({ code }) => code)

testWith(
  'bash',
  'curl',
  'jq',
)('every endpoint of a model is on the page, and answers what is asked there', async () => {
  const { url } = await serve(join(root, 'examples/class-model/service.ts'))
  const script = commands
    .join('\n')
    .replaceAll('http://localhost:8000', url)
    // What has ended cannot be canceled.
    .replace(/^curl (.*\$cancel")$/m, '[ $(curl -o /dev/null -w "%{http_code}" $1) = 409 ]')
  // Any refusal ends the script.
  const strict = `curl() {
      case "$*" in *cancel*) command curl "$@" ;; *) command curl --fail-with-body "$@" ;; esac
    }`
  const { stderr, status, stdout } = await runCommands(`${strict}\n${script}`)
  expect({ stderr, status }, stdout.slice(-500)).toEqual({ stderr: '', status: 0 })

  const document = parseOpenApi(await (await fetch(`${url}/openapi.json`)).json())
  const asked = new Set(
    commands
      .flatMap((code) => code.split('\n').filter((line) => line.includes('curl ')))
      .map(toName),
  )
  const missing = endpointsOf(document)
    .filter(({ operation }) => !isPage(operation))
    .map(({ method, path }) => `${method} ${path}`)
    .filter((name) => !asked.has(name))
  expect(missing).toEqual([])
})

test('every command has a line that says what it does', () => {
  const lines = readFileSync(join(root, page), 'utf8').split('\n')
  const bare = lines.filter(
    (line, at) => /^(curl|jq) /.test(line) && !/^(# |curl )/.test(lines[at - 1] ?? ''),
  )
  expect(bare).toEqual([])
})

/** `METHOD /path/{id}` of a command. */
function toName(line: string): string {
  const [, path = ''] = /localhost:8000([^\s'"?]*)/.exec(line) ?? []
  const [, method] = / -X (\w+)/.exec(line) ?? []
  const sends = / (-d|--data-binary) /.test(line)
  return `${method ?? (sends ? 'POST' : 'GET')} ${path.replaceAll('\\$', '$').replace(/\/\$[A-Z]+/g, '/{id}')}`
}
