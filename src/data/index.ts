export type { ArrowTable } from './arrow.ts'
export type {
  AnyColumn,
  BooleanColumn,
  CellInput,
  Column,
  FrameRecord,
  NumericColumn,
  StringColumn,
} from './columns.ts'
export { type CsvOptions, csvFacts, parseCsv, writeCsv } from './csv.ts'
export { DataFrame } from './frame.ts'
export { canonicalFrameText, checkFrame, recordsText, withSchema } from './frame-json.ts'
export {
  type BoundingBox,
  checkGeoJson,
  type Feature,
  type FeatureCollection,
  type Geometry,
  type Position,
} from './geojson.ts'
export type { Aggregation, Aggregations, GroupedFrame } from './group.ts'
export type { LagOptions } from './lag.ts'
export { frameToParquet, parquetToFrame } from './parquet.ts'
export {
  canonicalPeriod,
  nextPeriod,
  type Period,
  type PeriodKind,
  type PeriodType,
  parsePeriod,
} from './periods.ts'
export {
  generateSample,
  type PredictSample,
  type SampleOptions,
  sampleCells,
  type TrainSample,
} from './sample.ts'
export type { Cell, Field, FieldType, FrameJson } from './schema.ts'
export type { SortKey } from './sort.ts'
