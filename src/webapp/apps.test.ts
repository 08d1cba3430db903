import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openWebApps } from './apps.ts'

/** A folder with one folder for each manifest, and the warnings about them. */
async function open(manifests: Record<string, string | object>) {
  const folder = mkdtempSync(join(tmpdir(), 'chapkit-webapps-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [name, manifest] of Object.entries(manifests)) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'index.html'), name)
    const text = typeof manifest === 'string' ? manifest : JSON.stringify(manifest)
    writeFileSync(join(folder, name, 'manifest.json'), text)
  }
  const warnings: [event: string, message: string][] = []
  const apps = await openWebApps({
    sources: [
      {
        ...{ folder, holdsApps: true, prefix: null, permission: 'public' },
        ...{ policy: null, framedBy: null },
      },
    ],
    taken: [],
    warn: ({ event }, message) => warnings.push([event, message]),
  })
  return { apps: apps.map(({ root, prefix }) => [root.split('/').at(-1), prefix]), warnings }
}
const manifest = (prefix: string) => ({ name: `App at ${prefix}`, version: '1', prefix })

test('an app that does not fit is left out, and the log says why', async () => {
  const { apps, warnings } = await open({ a: manifest('/a'), b: '{', c: manifest('/api') })
  expect(apps).toEqual([['a', '/a']])
  expect(warnings).toEqual([
    [
      'webapp.skipped',
      'The web app "b" is left out: manifest.json: Expected a JSON document, got one that ends early',
    ],
    ['webapp.skipped', expect.stringContaining('"/api" is the service\'s own')],
  ])
})

test('an app that takes the place of another is in the log', async () => {
  const { apps, warnings } = await open({ a: manifest('/x'), b: { ...manifest('/x'), name: 'B' } })
  expect(apps).toEqual([['b', '/x']])
  expect(warnings).toEqual([
    ['webapp.replaced', '"B" takes the place of the web app "App at /x" at /x'],
  ])
})
