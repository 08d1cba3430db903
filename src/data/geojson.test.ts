import { expect, test } from 'vitest'
import { checkGeoJson } from './geojson.ts'

const ring = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 0],
]
const collection = (geometry: unknown, extra = {}) => ({
  type: 'FeatureCollection',
  features: [{ type: 'Feature', properties: { id: 'a' }, geometry, ...extra }],
})
const issuesOf = (value: unknown) => {
  const checked = checkGeoJson(value, ['body', 'geo'])
  return 'issues' in checked ? checked.issues : []
}
const nested = (depth: number): unknown =>
  depth === 0
    ? { type: 'Point', coordinates: [0, 0] }
    : { type: 'GeometryCollection', geometries: [nested(depth - 1)] }

test.each([
  [null],
  [{ type: 'Point', coordinates: [1, 2, 3] }],
  [{ type: 'MultiPoint', coordinates: [] }],
  [
    {
      type: 'LineString',
      coordinates: [
        [0, 0],
        [1, 1],
      ],
      bbox: null,
    },
  ],
  [
    {
      type: 'MultiLineString',
      coordinates: [
        [
          [0, 0],
          [1, 1],
        ],
      ],
    },
  ],
  [{ type: 'Polygon', coordinates: [ring, ring], bbox: [0, 0, 1, 1] }],
  [{ type: 'MultiPolygon', coordinates: [[ring], [ring]] }],
  [nested(3)],
])('geometry %j passes', (geometry) => {
  const value = collection(geometry)
  expect(checkGeoJson(value, [])).toEqual({ geo: value })
})

test('null properties, ids of both kinds, null boxes and foreign members pass', () => {
  const value = {
    type: 'FeatureCollection',
    bbox: null,
    crs: {},
    features: [
      { type: 'Feature', id: 1, geometry: null, properties: null, bbox: null },
      { type: 'Feature', id: 'x', geometry: null, properties: {}, note: 1 },
    ],
  }
  expect(checkGeoJson(value, [])).toEqual({ geo: value })
})

const at = ['features', 0, 'geometry', 'coordinates']
test.each([
  [5, [], 'object_type'],
  [undefined, [], 'missing'],
  [{ type: 'Feature', features: [] }, ['type'], 'literal'],
  [{ type: 'FeatureCollection' }, ['features'], 'missing'],
  [{ type: 'FeatureCollection', features: [3] }, ['features', 0], 'object_type'],
  [{ type: 'FeatureCollection', features: [], bbox: [1] }, ['bbox'], 'bbox'],
  [
    { type: 'FeatureCollection', features: [{ type: 'x', geometry: null, properties: null }] },
    ['features', 0, 'type'],
    'literal',
  ],
  [
    { type: 'FeatureCollection', features: [{ type: 'Feature', geometry: null }] },
    ['features', 0, 'properties'],
    'missing',
  ],
  [
    { type: 'FeatureCollection', features: [{ type: 'Feature', properties: null }] },
    ['features', 0, 'geometry'],
    'missing',
  ],
  [collection(null, { id: {} }), ['features', 0, 'id'], 'id_type'],
  [collection({ type: 'Circle' }), ['features', 0, 'geometry', 'type'], 'literal'],
  [collection({ type: 'constructor' }), ['features', 0, 'geometry', 'type'], 'literal'],
  [collection({ type: 'Point' }), at, 'missing'],
  [collection({ type: 'Point', coordinates: [1] }), at, 'position'],
  [collection({ type: 'Point', coordinates: [1, '2'] }), at, 'position'],
  [collection({ type: 'LineString', coordinates: [[0, 0]] }), at, 'line_length'],
  [
    collection({
      type: 'LineString',
      coordinates: [
        [0, 0],
        [1, Number.NaN],
      ],
    }),
    [...at, 1],
    'position',
  ],
  [
    collection({
      type: 'Polygon',
      coordinates: [
        [
          [0, 0],
          [1, 1],
          [0, 0],
        ],
      ],
    }),
    [...at, 0],
    'ring_length',
  ],
  [
    collection({
      type: 'Polygon',
      coordinates: [
        ring,
        [
          [0, 0],
          [1, 0],
          [1, 1],
          [2, 2],
        ],
      ],
    }),
    [...at, 1],
    'ring_closed',
  ],
  [collection({ type: 'MultiPolygon', coordinates: [[ring], [5]] }), [...at, 1, 0], 'list_type'],
  [
    collection({ type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [] }] }),
    ['features', 0, 'geometry', 'geometries', 0, 'coordinates'],
    'position',
  ],
])('%j is refused at %j as %s', (value, path, type) => {
  expect(issuesOf(value)).toEqual([
    { loc: ['body', 'geo', ...path], msg: expect.stringMatching(/^Expected .+, got .+/), type },
  ])
})

test('collections within collections end somewhere', () => {
  expect(issuesOf(collection(nested(9)))).toMatchObject([{ type: 'depth' }])
  expect(issuesOf(collection(nested(5000)))).toMatchObject([{ type: 'depth' }])
})

test('coordinates nested deeply on purpose are an issue like any other', () => {
  const coordinates = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000))
  expect(issuesOf(collection({ type: 'Point', coordinates }))[0]?.msg).toBe(
    'Expected a position of 2 or more finite numbers, got an array of 1',
  )
})

test('the search ends after twenty issues', () => {
  const features = Array.from({ length: 500 }, () => 1)
  expect(issuesOf({ type: 'FeatureCollection', features })).toHaveLength(20)
  expect(issuesOf(collection({ type: 'LineString', coordinates: features }))).toHaveLength(20)
})
