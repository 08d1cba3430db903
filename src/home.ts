import type { ServiceSpec } from './spec.ts'
import type { WebApp } from './webapp/schema.ts'

/** An app in the words of the contract. */
export function toAppInfo({ manifest, prefix }: WebApp) {
  const { name, version, description, author, entry } = manifest
  return { name, version, prefix, description, author, entry, is_package: false }
}

/** What the page at `/` leads to. */
export function homeLinks(spec: ServiceSpec, webApps: readonly WebApp[]) {
  const { prefixes } = spec
  const links = [
    { path: 'docs', text: 'to read and try the API', when: true },
    { path: 'openapi.json', text: 'its description', when: true },
    { path: prefixes.info.slice(1), text: 'what this service is', when: true },
    { path: prefixes.health.slice(1), text: 'how it does', when: spec.health },
    { path: prefixes.metrics.slice(1), text: 'its metrics', when: spec.monitoring },
    { path: prefixes.configs.slice(1), text: 'configurations', when: spec.config !== null },
    {
      path: prefixes.artifacts.slice(1),
      text: 'models and predictions',
      when: spec.artifacts !== null,
    },
    { path: prefixes.jobs.slice(1), text: 'what runs and ran', when: spec.jobs },
    { path: prefixes.tasks.slice(1), text: 'tasks to run', when: spec.tasks !== null },
    {
      path: prefixes.schedules.slice(1),
      text: 'when tasks run by themselves',
      when: spec.schedules !== null,
    },
    ...webApps.map(({ manifest, prefix }) => ({
      path: `${prefix.slice(1)}/`,
      text: manifest.description ?? manifest.name,
      when: true,
    })),
  ]
  return links.filter(({ when }) => when).map(({ path, text }) => ({ path, text }))
}
