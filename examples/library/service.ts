/**
 * A library of stations beside a model: the service keeps what it knows of places, adds it to the data of whoever asks, and
 * trains a model that needs it.
 */

import { ChapkitError, DataFrame, defineEntity, type FrameJson, MLServiceBuilder } from 'chapkit'
import { z } from 'zod'
import { runner } from './altitude.ts'

export const stations = defineEntity({
  name: 'station',
  schema: z.object({
    code: z.string().trim().min(1).max(20),
    /** The place that it stands for, as it is named in the data. */
    location: z.string().min(1).max(200),
    altitude: z.number().min(-500).max(9000).describe('Metres above the sea'),
    latitude: z.number().min(-90).max(90).nullable().default(null),
    longitude: z.number().min(-180).max(180).nullable().default(null),
    active: z.boolean().default(true),
  }),
  unique: ['code'],
  indexes: ['location'],
})

const frameSchema = {
  type: 'object',
  required: ['columns', 'data'],
  properties: {
    columns: { type: 'array', items: { type: 'string' } },
    data: {
      type: 'array',
      maxItems: 100_000,
      items: { type: 'array', items: { type: ['string', 'number', 'boolean', 'null'] } },
    },
  },
} as const

const service = new MLServiceBuilder({
  module: import.meta.url,
  info: {
    id: 'altitude-library',
    display_name: 'Cases by altitude',
    version: '1.0.0',
    description:
      'Forecasts by the altitude of places, which the service keeps in a library of stations',
    period_type: 'monthly',
    min_prediction_periods: 1,
    max_prediction_periods: 24,
    required_covariates: ['altitude'],
    model_metadata: {
      author: 'The chapkit project',
      author_note: 'An example that is meant to be read; nobody has tried it in practice.',
      author_assessed_status: 'orange',
    },
  },
  runner,
})
  .withEntity(stations)
  .withRoutes((app, { entity }) => {
    /** The mean altitude of the active stations of each place. */
    async function altitudes(): Promise<Map<string, number>> {
      const active = (await entity(stations).list()).filter((station) => station.active)
      const byPlace = Map.groupBy(active, ({ location }) => location)
      return new Map(
        Array.from(byPlace, ([place, found]) => [
          place,
          found.reduce((sum, { altitude }) => sum + altitude, 0) / found.length,
        ]),
      )
    }

    app.post<{ Body: FrameJson }>(
      '/api/v1/stations/$add-altitude',
      {
        schema: { body: frameSchema },
        // Frames are larger than other documents. Nobody else is answered while one is read: no more than is needed.
        bodyLimit: 8 * 1024 * 1024,
        config: { permission: 'station:read' },
      },
      async ({ body }) => {
        const known = await altitudes()
        const frame = DataFrame.fromJson(body)
        const unknown = frame.unique('location').filter((place) => !known.has(String(place)))
        if (unknown.length > 0) {
          const named = unknown.slice(0, 5).join(', ')
          const more = unknown.length > 5 ? ` and ${unknown.length - 5} more` : ''
          throw new ChapkitError(
            'validation-failed',
            `Expected an active station for each location; there is none for ${named}${more}. Create it with POST /api/v1/stations`,
          )
        }
        return frame
          .derive('altitude', ({ location }) => known.get(String(location)) ?? null)
          .toJson()
      },
    )

    app.get('/api/v1/stations/$places', { config: { permission: 'station:read' } }, async () =>
      Array.from(await altitudes(), ([location, altitude]) => ({ location, altitude })).sort(
        (a, b) => a.altitude - b.altitude,
      ),
    )
  })
  .build()

export default service

if (import.meta.main) await service.listen()
