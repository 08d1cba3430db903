import { addEndpoint, type FastifyInstance } from '../http/routes.ts'
import { contentType } from './exposition.ts'

export interface MonitorRoutesDeps {
  prefix: string
  text: () => Promise<string>
}

/** `/metrics`: what Prometheus scrapes. */
export function monitorRoutes({ prefix, text }: MonitorRoutesDeps) {
  return async (app: FastifyInstance) => {
    addEndpoint(
      app,
      {
        method: 'GET',
        url: prefix,
        permission: 'service:read',
        tag: 'Observability',
        summary: 'Metrics of the service, for Prometheus',
        answers: {
          200: {
            description: 'The text format of Prometheus',
            contentType: 'text/plain',
            schema: { type: 'string' },
            example: 'ml_train_jobs_total 3\n',
          },
        },
      },
      async (_request, reply) => reply.type(contentType).send(Buffer.from(await text())),
    )
  }
}
