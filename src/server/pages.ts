import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { addEndpoint } from '../http/routes.ts'
import type { JsonSchema } from '../kernel/json-schema.ts'

export interface PagesDeps {
  title: string
  description: string | null
  version: string
  /** Made when it is first asked for. */
  openapi: () => JsonSchema
  /** Paths relative to `/`, with what they lead to; null where something else answers at `/`. */
  links: readonly { path: string; text: string }[] | null
}

/** `/`, `/docs` and `/openapi.json`. Links are relative, so that the pages also work behind a path of a proxy. */
export function pages({ title, description, version, openapi, links }: PagesDeps) {
  const page = { method: 'GET', permission: 'public', tag: 'Service' } as const
  const html = { contentType: 'text/html', schema: { type: 'string' }, example: '<!doctype html>' }

  return async (app: FastifyInstance) => {
    if (links) {
      addEndpoint(
        app,
        {
          ...page,
          url: '/',
          summary: 'Page that names the service and leads on',
          answers: { 200: { description: 'The page', ...html } },
        },
        (_request, reply) =>
          reply
            .type('text/html; charset=utf-8')
            .headers(withPolicy("default-src 'none'; style-src 'unsafe-inline'"))
            .send(homePage({ title, description, version, links })),
      )
    }
    addEndpoint(
      app,
      {
        ...page,
        url: '/openapi.json',
        summary: 'This description of the API',
        answers: {
          200: {
            description: 'OpenAPI 3.1',
            schema: { type: 'object' },
            example: { openapi: '3.1.0' },
          },
        },
      },
      async () => openapi(),
    )
    addEndpoint(
      app,
      {
        ...page,
        url: '/docs',
        summary: 'API pages to read and try',
        answers: { 200: { description: 'The page', ...html } },
      },
      (_request, reply) =>
        reply
          .type('text/html; charset=utf-8')
          .headers(
            withPolicy(
              "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'",
            ),
          )
          .send(docsPage(title)),
    )
    for (const [name, type] of Object.entries(viewerFiles)) {
      addEndpoint(
        app,
        {
          ...page,
          url: `/docs/${name}`,
          summary: 'File of the API pages',
          answers: {
            200: {
              description: 'The file',
              contentType: type,
              schema: { type: 'string' },
              example: '',
            },
          },
        },
        async (_request, reply) =>
          reply
            .type(`${type}; charset=utf-8`)
            .header('cache-control', 'public, max-age=3600')
            .send(name === 'start.js' ? startViewer : await readViewer(name)),
      )
    }
  }
}

/** What a page loads, and that it is shown in no frame. */
function withPolicy(policy: string): Record<string, string> {
  return {
    'content-security-policy': `${policy}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
    'x-frame-options': 'DENY',
  }
}

const viewerFiles = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
  'start.js': 'text/javascript',
} as const

/** Files of Swagger UI from the installed package: nothing is loaded from elsewhere. */
function readViewer(name: string): Promise<Buffer> {
  const require = createRequire(import.meta.url)
  return readFile(join(dirname(require.resolve('@fastify/swagger-ui')), 'static', name))
}

const startViewer = `SwaggerUIBundle({
  url: 'openapi.json', dom_id: '#api', deepLinking: true, validatorUrl: null, displayRequestDuration: true, tryItOutEnabled: true,
})
`

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

type Home = Omit<PagesDeps, 'openapi' | 'links'> & { links: NonNullable<PagesDeps['links']> }

function homePage({ title, description, version, links }: Home): string {
  const items = links.map(
    ({ path, text }) =>
      `<li><a href="${escapeHtml(path)}">${escapeHtml(path)}</a> ${escapeHtml(text)}</li>`,
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } .version { opacity: .7 } li { margin: .4rem 0 } code, a { font-family: ui-monospace, monospace }
</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p class="version">version ${escapeHtml(version)}</p>
${description ? `<p>${escapeHtml(description)}</p>` : ''}
<ul>
${items.join('\n')}
</ul>
</body>
</html>
`
}

function docsPage(title: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<noscript>These pages need JavaScript. <a href="openapi.json">openapi.json</a> says the same.</noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`
}
