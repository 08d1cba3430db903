import type { Issue } from '../errors.ts'
import { show } from '../kernel/show.ts'

/** Longitude, latitude and, if there, altitude; more numbers are tolerated. */
export type Position = number[]

export type BoundingBox = number[] | null

interface GeometryBase {
  bbox?: BoundingBox
}

export type Geometry =
  | (GeometryBase & { type: 'Point'; coordinates: Position })
  | (GeometryBase & { type: 'MultiPoint' | 'LineString'; coordinates: Position[] })
  | (GeometryBase & { type: 'MultiLineString' | 'Polygon'; coordinates: Position[][] })
  | (GeometryBase & { type: 'MultiPolygon'; coordinates: Position[][][] })
  | (GeometryBase & { type: 'GeometryCollection'; geometries: Geometry[] })

export interface Feature {
  type: 'Feature'
  geometry: Geometry | null
  /** `properties.id` is the location that the feature belongs to. */
  properties: Record<string, unknown> | null
  id?: string | number
  bbox?: BoundingBox
}

/** Places on the map (RFC 7946). */
export interface FeatureCollection {
  type: 'FeatureCollection'
  features: Feature[]
  bbox?: BoundingBox
}

type Loc = (string | number)[]

const maximumIssues = 20
/** Collections within collections that are followed; deeper ones are refused. */
const maximumDepth = 8

/**
 * Checks a FeatureCollection as it came over HTTP: the seven geometry types, positions of two or more finite numbers,
 * lines of two or more positions, rings of four or more that end where they begin. `geometry`, `properties` and `bbox`
 * may be null, members that RFC 7946 does not know are kept. Issues begin their `loc` with `loc`; after 20 the search
 * ends. The collection that comes back is `value` itself.
 */
export function checkGeoJson(
  value: unknown,
  loc: Loc,
): { geo: FeatureCollection } | { issues: Issue[] } {
  const issues: Issue[] = []
  checkCollection(value, loc, issues)
  return issues.length === 0
    ? { geo: value as FeatureCollection }
    : { issues: issues.slice(0, maximumIssues) }
}

function checkCollection(value: unknown, loc: Loc, issues: Issue[]): void {
  if (!isObject(value)) {
    report(issues, loc, 'a GeoJSON FeatureCollection', value, 'object_type')
    return
  }
  if (value.type !== 'FeatureCollection') {
    report(issues, [...loc, 'type'], '"FeatureCollection"', value.type, 'literal')
  }
  checkBox(value.bbox, [...loc, 'bbox'], issues)
  const { features } = value
  if (!Array.isArray(features)) {
    report(issues, [...loc, 'features'], 'an array of features', features, 'list_type')
    return
  }
  for (let index = 0; index < features.length && issues.length < maximumIssues; index++) {
    checkFeature(features[index], [...loc, 'features', index], issues)
  }
}

function checkFeature(value: unknown, loc: Loc, issues: Issue[]): void {
  if (!isObject(value)) {
    report(issues, loc, 'a GeoJSON Feature', value, 'object_type')
    return
  }
  const { type, id, properties, geometry } = value
  if (type !== 'Feature') report(issues, [...loc, 'type'], '"Feature"', type, 'literal')
  if (id !== undefined && id !== null && typeof id !== 'string' && !Number.isFinite(id)) {
    report(issues, [...loc, 'id'], 'a string or a number', id, 'id_type')
  }
  if (properties !== null && !isObject(properties)) {
    report(issues, [...loc, 'properties'], 'an object or null', properties, 'object_type')
  }
  checkBox(value.bbox, [...loc, 'bbox'], issues)
  if (geometry !== null) checkGeometry(geometry, [...loc, 'geometry'], issues, 0)
}

/** How many arrays lie around the positions of a geometry, and what the innermost array of positions must be. */
const shapes: Readonly<Record<string, { depth: number; of: 'positions' | 'line' | 'ring' }>> = {
  Point: { depth: 0, of: 'positions' },
  MultiPoint: { depth: 1, of: 'positions' },
  LineString: { depth: 1, of: 'line' },
  MultiLineString: { depth: 2, of: 'line' },
  Polygon: { depth: 2, of: 'ring' },
  MultiPolygon: { depth: 3, of: 'ring' },
}

function checkGeometry(value: unknown, loc: Loc, issues: Issue[], depth: number): void {
  if (!isObject(value)) {
    report(issues, loc, 'a GeoJSON geometry or null', value, 'object_type')
    return
  }
  checkBox(value.bbox, [...loc, 'bbox'], issues)
  const type = value.type
  if (type === 'GeometryCollection') {
    checkGeometries(value.geometries, [...loc, 'geometries'], issues, depth + 1)
    return
  }
  const shape = typeof type === 'string' && Object.hasOwn(shapes, type) ? shapes[type] : undefined
  if (shape === undefined) {
    const names = [...Object.keys(shapes), 'GeometryCollection'].join(', ')
    report(issues, [...loc, 'type'], `one of ${names}`, type, 'literal')
    return
  }
  checkCoordinates(value.coordinates, [...loc, 'coordinates'], issues, shape.depth, shape.of)
}

function checkGeometries(value: unknown, loc: Loc, issues: Issue[], depth: number): void {
  if (!Array.isArray(value)) {
    report(issues, loc, 'an array of geometries', value, 'list_type')
    return
  }
  if (depth > maximumDepth) {
    report(issues, loc, `collections up to ${maximumDepth} deep`, 'a deeper one', 'depth')
    return
  }
  for (let index = 0; index < value.length && issues.length < maximumIssues; index++) {
    checkGeometry(value[index], [...loc, index], issues, depth)
  }
}

function checkCoordinates(
  value: unknown,
  loc: Loc,
  issues: Issue[],
  depth: number,
  of: 'positions' | 'line' | 'ring',
): void {
  if (depth === 0) {
    if (!isPosition(value)) reportPosition(value, loc, issues)
    return
  }
  if (!Array.isArray(value)) {
    report(issues, loc, 'an array', value, 'list_type')
    return
  }
  if (depth === 1) {
    checkPositions(value, loc, issues, of)
    return
  }
  for (let index = 0; index < value.length && issues.length < maximumIssues; index++) {
    checkCoordinates(value[index], [...loc, index], issues, depth - 1, of)
  }
}

function checkPositions(
  positions: unknown[],
  loc: Loc,
  issues: Issue[],
  of: 'positions' | 'line' | 'ring',
): void {
  for (let index = 0; index < positions.length; index++) {
    if (isPosition(positions[index])) continue
    reportPosition(positions[index], [...loc, index], issues)
    if (issues.length >= maximumIssues) return
  }
  const { length } = positions
  if (of === 'line' && length < 2) {
    report(issues, loc, 'a line of 2 or more positions', length, 'line_length')
  }
  if (of !== 'ring') return
  if (length < 4) report(issues, loc, 'a ring of 4 or more positions', length, 'ring_length')
  else if (!samePosition(positions[0], positions[length - 1])) {
    report(issues, loc, 'a ring that ends where it begins', positions[length - 1], 'ring_closed')
  }
}

function reportPosition(value: unknown, loc: Loc, issues: Issue[]): void {
  report(issues, loc, 'a position of 2 or more finite numbers', value, 'position')
}

function isPosition(value: unknown): value is Position {
  return Array.isArray(value) && value.length >= 2 && areFinite(value)
}

function areFinite(values: readonly unknown[]): boolean {
  for (let index = 0; index < values.length; index++)
    if (!Number.isFinite(values[index])) return false
  return true
}

function samePosition(first: unknown, last: unknown): boolean {
  // A position that is none has been reported already.
  if (!isPosition(first) || !isPosition(last)) return true
  return first[0] === last[0] && first[1] === last[1]
}

function checkBox(value: unknown, loc: Loc, issues: Issue[]): void {
  if (value === undefined || value === null) return
  const fits =
    Array.isArray(value) && (value.length === 4 || value.length === 6) && areFinite(value)
  if (!fits) report(issues, loc, 'a bounding box of 4 or 6 finite numbers or null', value, 'bbox')
}

function report(issues: Issue[], loc: Loc, expected: string, value: unknown, type: string): void {
  issues.push({
    loc,
    msg: `Expected ${expected}, got ${show(value)}`,
    type: value === undefined ? 'missing' : type,
  })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
