import type { FrameJson } from 'chapkit'
import { createTestService, type TestService } from 'chapkit/testing'
import fc from 'fast-check'
import type { Cell } from '../../src/data/schema.ts'
import { isFileText } from '../../src/kernel/text.ts'
import {
  cellsIn,
  createCommandLine,
  createScriptResult,
  csvDoors,
  csvOf,
  ifTaken,
  modelResult,
  parquet,
  type Taken,
  typedDoors,
  withFolder,
} from './doors.ts'
import { oddCell, oddText } from './odd.ts'
import service, { seen } from './service.ts'

export interface Report {
  cells: number
  seconds: number
  /** How often cells of agreed columns were taken and refused, by the kind of column. */
  outcomes: Record<string, { taken: number; refused: number }>
  /** Where doors took a cell differently, at most some of each door and column. */
  findings: string[]
}

export interface CampaignOptions {
  cells: number
  seed: number
  progress?: (line: string) => void
}

/** Cells that stand in one frame. */
const batchSize = 120
/** An answer tells of no more wrong cells. */
const toldAtOnce = 20
/** Bodies above 256 KiB are read by a thread. */
const padding = 'x'.repeat(257 * 1024)
const foundOfEach = 5

const textColumns = ['location', 'time_period']
const numberColumns = ['disease_cases', 'rainfall', 'population']
/** Required by the service, and additional by the config: numbers, too, where a service knows of them. */
const covariates = ['humidity', 'altitude']
const columns = [...textColumns, ...numberColumns, ...covariates, 'note']

/** Sends odd cells through every door, and compares what comes behind it. */
export function runCampaign({ cells, seed, progress }: CampaignOptions): Promise<Report> {
  return withFolder(async (folder) => {
    const started = performance.now()
    const report: Report = { cells: 0, seconds: 0, outcomes: {}, findings: [] }
    const found = new Map<string, number>()
    const doors = { script: createScriptResult(folder), commandLine: createCommandLine(folder) }
    let http = await open()
    try {
      for (let batch = 0; report.cells < cells; batch++) {
        const column = columns[batch % columns.length]!
        const isUntyped = batch % (2 * columns.length) >= columns.length || column === 'note'
        const drawn = fc.sample(isUntyped ? oddText : oddCell, {
          numRuns: batchSize,
          seed: seed + batch,
        })
        if (column === 'note') await tryInferred(drawn as string[])
        else await tryAgreed(column, drawn, batch % 5 === 0)
        report.cells += drawn.length
        if (batch % 40 === 39) {
          progress?.(`${report.cells} cells, ${report.findings.length} findings`)
          // What has been stored is in memory.
          await http.test.close()
          http = await open()
        }
      }
    } finally {
      await http.test.close()
    }
    report.seconds = (performance.now() - started) / 1000
    return report

    function compare(door: string, column: string, sent: unknown, got: Taken, wanted: Taken): void {
      if (same(got, wanted)) return
      const key = `${door} of ${column}`
      const before = found.get(key) ?? 0
      found.set(key, before + 1)
      if (before >= foundOfEach) return
      report.findings.push(`${key}: ${text(sent)} is ${text(got)}, elsewhere ${text(wanted)}`)
    }

    async function tryAgreed(column: string, sent: readonly Cell[], isLarge: boolean) {
      const isText = textColumns.includes(column)
      const isCovariate = covariates.includes(column)
      // Frames know nothing of the covariates of a service: there they stand for a column of numbers.
      const known = isCovariate ? 'rainfall' : column
      const taken: { cell: Cell; wanted: Cell }[] = []
      const refused: Cell[] = []
      for (const cell of sent) {
        const wanted = await ifTaken(() => typedDoors['DataFrame.fromColumns']!(known, [cell]))
        if (!isCovariate) await tryAlone(column, cell, wanted)
        if (wanted === null || (isText && isEmptyKey(cell))) refused.push(cell)
        else taken.push({ cell, wanted: wanted[0]! })
      }
      report.outcomes[column] ??= { taken: 0, refused: 0 }
      report.outcomes[column].taken += taken.length
      report.outcomes[column].refused += refused.length
      await tryTaken(column, taken, isLarge)
      await tryRefused(column, refused.filter(isFile))
      // These are told before columns are looked at.
      await tryRefused(
        column,
        refused.filter((cell) => !isFile(cell)),
      )
    }

    /** The doors that can be tried with one cell. */
    async function tryAlone(column: string, cell: Cell, wanted: Taken) {
      const isText = textColumns.includes(column)
      for (const [door, take] of Object.entries(typedDoors)) {
        compare(door, column, cell, await ifTaken(() => take(column, [cell])), wanted)
      }
      if (isText && isEmptyKey(cell)) return
      compare('model', column, cell, await ifTaken(() => modelResult(column, [cell])), wanted)
      if (!isWritable(cell, isText)) return
      for (const [door, take] of Object.entries(csvDoors)) {
        compare(door, column, cell, await ifTaken(() => take(column, [cell])), wanted)
      }
      compare('script', column, cell, await ifTaken(() => doors.script(column, [cell])), wanted)
      if (isText || wanted?.[0] === null) return
      const sample = await ifTaken(() => doors.script('sample_0', [cell]))
      compare('script', 'sample_0', cell, sample, wanted)
    }

    /** Cells that are taken, in one frame through every door. */
    async function tryTaken(
      column: string,
      taken: readonly { cell: Cell; wanted: Cell }[],
      isLarge: boolean,
    ) {
      const isText = textColumns.includes(column)
      const some = (fits: (cell: Cell) => boolean, wants: (cell: Cell) => boolean = () => true) => {
        const fitting = taken.filter(({ cell, wanted }) => fits(cell) && wants(wanted))
        return [fitting.map(({ cell }) => cell), fitting.map(({ wanted }) => wanted)] as const
      }
      const check = async (
        door: string,
        cells: readonly Cell[],
        wanted: Taken,
        open: () => Promise<Taken>,
      ) => {
        if (cells.length > 0) compare(door, column, cells, await ifTaken(open), wanted)
      }
      if (!covariates.includes(column)) {
        for (const type of ['string', 'number', 'boolean']) {
          const [cells, wanted] = some((cell) => typeof cell === type && isFile(cell))
          await check('Parquet', cells, wanted, async () => parquet(column, cells))
        }
      }
      const [json, jsonWanted] = some(() => true)
      await check('$train as JSON', json, jsonWanted, () => http.train(column, json))
      await check('$validate of JSON', json, jsonWanted, async () =>
        (await http.validate(column, json)).json.valid ? jsonWanted : null,
      )
      await check('$predict, historic', json, jsonWanted, () =>
        http.predict('historic', column, json),
      )
      await check('$predict, future', json, jsonWanted, () => http.predict('future', column, json))
      const [csv, csvWanted] = some((cell) => isWritable(cell, isText))
      await check('$train as CSV', csv, csvWanted, () => http.trainCsv(column, csv))
      await check('command line', csv, csvWanted, async () =>
        http.trainFrame(column, await doors.commandLine(frameOf(column, csv))),
      )
      if (isLarge) {
        await check('$train as large JSON', json, jsonWanted, () =>
          http.train(column, json, padding),
        )
        await check('$train as large CSV', csv, csvWanted, () =>
          http.trainCsv(column, csv, padding),
        )
      }
    }

    /** Cells that are refused: each of them is told, at every door of a service. */
    async function tryRefused(column: string, refused: readonly Cell[]) {
      const isText = textColumns.includes(column)
      for (let at = 0; at < refused.length; at += toldAtOnce) {
        const cells = refused.slice(at, at + toldAtOnce)
        told('$train as JSON', column, cells, await http.post('$train', column, cells))
        told('$validate of JSON', column, cells, await http.validate(column, cells))
        told('$predict, historic', column, cells, await http.ask('historic', column, cells))
        told('$predict, future', column, cells, await http.ask('future', column, cells))
        const csv = cells.filter((cell) => isEmptyKey(cell) || isWritable(cell, isText))
        if (csv.length === 0) continue
        told('$train as CSV', column, csv, await http.sendCsv(frameOf(column, csv)))
      }
    }

    /** Whether an answer tells of each of the cells. */
    function told(
      door: string,
      column: string,
      cells: readonly Cell[],
      { status, json }: TestAnswer,
    ) {
      const found = status === 422 ? json.errors : (json.diagnostics ?? [])
      if (found.length === cells.length) return
      compare(door, column, cells, [`${found.length} told`], [`${cells.length} told`])
    }

    /** Columns whose type follows from their cells: all that read CSV read the same, and typed doors leave them as they are. */
    async function tryInferred(sent: readonly string[]) {
      const height = 3
      const cells = sent.map((cell) => (isFile(cell) ? cell : ''))
      const names = Array.from(
        { length: Math.floor(cells.length / height) },
        (_, at) => `note_${at}`,
      )
      const cellsOf = (name: string) => {
        const at = names.indexOf(name) * height
        return cells.slice(at, at + height)
      }
      const whole = (list: readonly string[]): FrameJson => {
        const { columns, data } = frameOf('note', Array<Cell>(height).fill('x'))
        const more = (row: number) => list.map((name) => cellsOf(name)[row]!)
        return {
          columns: [...columns, ...list],
          data: data.map((row, at) => [...row, ...more(at)]),
        }
      }
      const frame = whole(names)
      const csv = await http.seenOf(() => http.sendCsv(frame))
      const json = await http.seenOf(() => http.send(frame))
      const line = await doors.commandLine(frame)
      for (const name of names) {
        const own = cellsOf(name)
        const wanted = await ifTaken(() => csvDoors['DataFrame.fromCsv of text']!(name, own))
        const bytes = await ifTaken(() => csvDoors['DataFrame.fromCsv of bytes']!(name, own))
        compare('DataFrame.fromCsv of bytes', 'note', own, bytes, wanted)
        compare('$train as CSV', 'note', own, csv(name), wanted)
        compare('command line', 'note', own, cellsIn(line, name), wanted)
        compare('script', 'note', own, await ifTaken(() => doors.script(name, own)), wanted)
        compare('$train as JSON', 'note', own, json(name), own)
        compare('Parquet', 'note', own, await ifTaken(() => parquet(name, own)), own)
        for (const [door, take] of Object.entries(typedDoors)) {
          compare(door, 'note', own, await ifTaken(() => take(name, own)), own)
        }
      }
      await tryDecimals(cells)
    }

    /** Numbers with decimal commas: the same in every column of numbers, whoever says that it is one. */
    async function tryDecimals(cells: readonly string[]) {
      const dialect = { delimiter: ';', decimal: ',' }
      const inFile = (column: string, sent: readonly Cell[]) =>
        ifTaken(async () =>
          cellsIn(await doors.commandLine(frameOf(column, sent), dialect), column),
        )
      const taken: { cell: Cell; wanted: Cell }[] = []
      const refused: Cell[] = []
      for (const cell of cells) {
        const wanted = await inFile('rainfall', [cell])
        if (wanted === null) refused.push(cell)
        else taken.push({ cell, wanted: wanted[0]! })
      }
      // What is inferred of a column of one kind, and of several, must not matter.
      const usual = { cell: '1', wanted: 1 }
      for (const size of [1, 3, 7]) {
        for (const column of ['rainfall', 'disease_cases', ...covariates]) {
          const some = [...taken.splice(0, size), usual]
          const sent = some.map(({ cell }) => cell)
          const wanted = some.map(({ wanted }) => wanted)
          const inRequest = await http.seenOf(() => http.sendCsv(frameOf(column, sent), dialect))
          compare('$train as CSV with commas', column, sent, inRequest(column), wanted)
          compare('command line with commas', column, sent, await inFile(column, sent), wanted)
        }
      }
      for (const column of ['rainfall', ...covariates]) {
        const sent = refused.splice(0, toldAtOnce)
        told(
          '$train as CSV with commas',
          column,
          sent,
          await http.sendCsv(frameOf(column, sent), dialect),
        )
        for (const cell of sent) {
          compare('command line with commas', column, cell, await inFile(column, [cell]), null)
        }
      }
    }
  })
}

/** A frame that a service takes, with these cells in one of its columns. */
function frameOf(column: string, cells: readonly Cell[], pad?: string): FrameJson {
  const names = [...new Set(['time_period', 'location', 'disease_cases', ...covariates, column])]
  const usual: Record<string, Cell> = {
    time_period: '2024-01',
    disease_cases: 1,
    humidity: 1,
    altitude: 1,
  }
  const data = cells.map((cell, row) => {
    const record: Record<string, Cell> = { ...usual, location: `place ${row}`, [column]: cell }
    return names.map((name) => record[name]!)
  })
  if (pad === undefined) return { columns: names, data }
  return { columns: [...names, 'pad'], data: data.map((row, at) => [...row, at === 0 ? pad : 'x']) }
}

type TestAnswer = Awaited<ReturnType<TestService['request']>>

async function open() {
  const test: TestService = await createTestService(service, {})
  const { json: config } = await test.request('POST', '/api/v1/configs', {
    name: 'a',
    data: { prediction_periods: 1, additional_continuous_covariates: ['altitude'] },
  })
  const ml = '/api/v1/ml'
  const wait = { prefer: 'wait=60' }
  const usual = frameOf('rainfall', [1])

  const send = (data: FrameJson) =>
    test.request('POST', `${ml}/$train`, { config_id: config.id, data }, wait)
  const sendCsv = (frame: FrameJson, dialect: { delimiter?: string; decimal?: string } = {}) => {
    const query = new URLSearchParams({ config_id: config.id, ...dialect })
    const body = csvOf(frame.columns, frame.data, dialect.delimiter)
    const headers = { ...wait, 'content-type': 'text/csv' }
    return test.request('POST', `${ml}/$train?${query}`, body, headers)
  }
  const { json: model } = await send(usual)
  const ask = (frame: 'historic' | 'future', column: string, cells: readonly Cell[]) => {
    const frames = { historic: usual, future: usual, [frame]: frameOf(column, cells) }
    return test.request(
      'POST',
      `${ml}/$predict`,
      { artifact_id: model.artifact_id, ...frames },
      wait,
    )
  }

  /** What the model saw of a request, by column. */
  async function seenOf(request: () => Promise<TestAnswer>, frame: keyof typeof seen = 'data') {
    delete seen[frame]
    const { status, json } = await request()
    if (status === 422) return (): Taken => null
    if (status !== 200 || json.job.status !== 'completed')
      throw new Error(
        `Expected a completed job, got ${status} ${JSON.stringify(json).slice(0, 2000)}`,
      )
    const came = seen[frame]!
    return (column: string): Taken => {
      const { columns, data } = came.toJson()
      return data.map((row) => row[columns.indexOf(column)]!)
    }
  }
  const post = (what: string, column: string, cells: readonly Cell[], pad?: string) =>
    test.request(
      'POST',
      `${ml}/${what}`,
      { config_id: config.id, data: frameOf(column, cells, pad) },
      wait,
    )

  return {
    test,
    send,
    sendCsv,
    seenOf,
    post,
    ask,
    validate: (column: string, cells: readonly Cell[]) =>
      test.request('POST', `${ml}/$validate`, {
        ...{ type: 'train', config_id: config.id, data: frameOf(column, cells) },
      }),
    train: async (column: string, cells: readonly Cell[], pad?: string) =>
      (await seenOf(() => post('$train', column, cells, pad)))(column),
    trainFrame: async (column: string, frame: FrameJson) =>
      (await seenOf(() => send(frame)))(column),
    trainCsv: async (column: string, cells: readonly Cell[], pad?: string) =>
      (await seenOf(() => sendCsv(frameOf(column, cells, pad))))(column),
    predict: async (frame: 'historic' | 'future', column: string, cells: readonly Cell[]) =>
      (await seenOf(() => ask(frame, column, cells), frame))(column),
  }
}

const isEmptyKey = (cell: Cell) => cell === null || (typeof cell === 'string' && cell.trim() === '')

const isFile = (cell: Cell) => typeof cell !== 'string' || isFileText(cell)

/** CSV has no types: what is no text in a column of text is its text there. */
const isWritable = (cell: Cell, isText: boolean) =>
  isFile(cell) &&
  !(
    isText &&
    (typeof cell === 'boolean' || (typeof cell === 'number' && !Number.isSafeInteger(cell)))
  )

const same = (left: Taken, right: Taken) =>
  left === right ||
  (left !== null &&
    right !== null &&
    left.length === right.length &&
    left.every((cell, at) => cell === right[at]))

const text = (value: unknown) => (value === null ? 'refused' : JSON.stringify(value).slice(0, 300))

export function printReport({ cells, seconds, outcomes, findings }: Report): string {
  const table = Object.entries(outcomes).map(
    ([column, { taken, refused }]) => `${column}: ${taken} taken, ${refused} refused`,
  )
  return [
    `${cells} cells in ${Math.round(seconds)} s`,
    ...table,
    `${findings.length} findings`,
    ...findings,
  ].join('\n')
}
