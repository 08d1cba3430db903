import { isDeepStrictEqual } from 'node:util'
import { BaseConfig } from '../config/schema.ts'
import { type JsonSchema, toJsonSchema } from '../kernel/json-schema.ts'
import { toYaml } from '../kernel/yaml.ts'
import { MLServiceInfo } from '../ml/info.ts'
import type { Command, ConfigSchema, FilePlaceholder, Scripts } from '../ml/runner.ts'
import { parseCommand } from '../script/command.ts'
import type { ServiceSpec } from '../spec.ts'
import { MlProjectError, toServiceCommands } from './commands.ts'
import { defaultHorizon, toConfigSchema, toTitle } from './options.ts'
import { type MlProject, readProject } from './project.ts'
import { defaultConfigFormat } from './service.ts'

/** A service as an MLproject file. */
export interface Exported {
  text: string
  /** Where a service of the file would not be the one that it is made from. */
  differences: string[]
  /** What the service has, and no MLproject file can say. */
  dropped: string[]
}

/** By this a file is known as one that was written from a service. */
const marker = 'by `chapkit mlproject export`'

/** Whether a text was written by an export, so that it may be replaced by another one. */
export const isExported = (text: string) => text.split('\n', 1)[0]?.includes(marker) ?? false

/**
 * The MLproject file of a service whose model is commands; `source` is the name of its service file. Throws a `MlProjectError`
 * for any other service.
 */
export function exportProject(spec: ServiceSpec, source: string): Exported {
  const { runner, config } = spec
  const parsed = MLServiceInfo.safeParse(spec.info)
  if (runner === null || config === null || !parsed.success)
    throw new MlProjectError([`${source} has no model`])
  if (runner.keeps !== 'workspace')
    throw new MlProjectError([
      `The model of ${source} is made of functions; an MLproject runs commands, as those of ShellModelRunner`,
    ])
  const { scripts } = runner
  const info = parsed.data
  const dropped = findDropped(spec, scripts)
  const document = {
    ...toContract(info, scripts),
    ...toOptions(config.schema, info, dropped),
    ...(Object.keys(scripts.adapters).length > 0 && { adapters: scripts.adapters }),
    entry_points: {
      train: toEntryPoint(scripts.train, 'train'),
      predict: toEntryPoint(scripts.predict, 'predict'),
    },
  }
  const head = `# Written from ${source} ${marker}: change that file, and run the command again.\n# chapkit mlproject export ${source} --check fails where that was not done.\n\n`
  const text = head + toYaml(document)
  return { text, differences: compare(text, info, scripts, config.schema), dropped }
}

const periods = { weekly: 'week', monthly: 'month', any: 'any' } as const

function toContract(info: MLServiceInfo, { configFormat }: Scripts) {
  const { model_metadata, description } = info
  return {
    name: info.id,
    version: info.version,
    target: info.target,
    supported_period_type: periods[info.period_type],
    required_covariates: info.required_covariates,
    allow_free_additional_continuous_covariates: info.allow_free_additional_continuous_covariates,
    requires_geo: info.requires_geo,
    min_prediction_periods: info.min_prediction_periods,
    max_prediction_periods: info.max_prediction_periods,
    ...(info.hpo_search_space !== null && { hpo_search_space: info.hpo_search_space }),
    meta_data: {
      display_name: info.display_name,
      ...(description !== null && { description }),
      ...Object.fromEntries(Object.entries(model_metadata).filter(([, value]) => value !== null)),
      ...(configFormat !== defaultConfigFormat && { config_format: configFormat }),
    },
  }
}

/** Options of a config's schema, each a JSON Schema with its default. */
function toOptions(schema: ConfigSchema, info: MLServiceInfo, dropped: string[]) {
  const described = toJsonSchema(schema)
  const {
    properties = {},
    required = [],
    $defs,
  } = described as {
    properties?: Record<string, JsonSchema>
    required?: string[]
    $defs?: JsonSchema
  }
  const options: Record<string, unknown> = {}
  for (const [name, { title, description, default: fallback, ...keywords }] of Object.entries(
    properties,
  )) {
    if (isBase(name) && isDeepStrictEqual(fallback, baseDefault(name, info))) continue
    const isRequired = required.includes(name)
    if (!isRequired && fallback === undefined)
      dropped.push(
        `${name} may be left out of a config; of the file it is null then, because options without a default have to be given`,
      )
    options[name] = {
      ...(title !== undefined && title !== toTitle(name) && { title }),
      ...keywords,
      ...(JSON.stringify(keywords).includes('"#/$defs/') && { $defs }),
      ...(!isRequired && { default: fallback ?? null }),
      ...(description !== undefined && { description }),
    }
  }
  return Object.keys(options).length > 0 ? { user_options: options } : {}
}

const isBase = (name: string): name is keyof typeof BaseConfig.shape =>
  Object.hasOwn(BaseConfig.shape, name)

/** What the reader of the file sets by itself. */
function baseDefault(name: keyof typeof BaseConfig.shape, info: MLServiceInfo): unknown {
  return name === 'prediction_periods' ? defaultHorizon({}, info) : []
}

/** Parameters of an MLproject that stand for files which a service fills in. */
const parameters: Readonly<Record<FilePlaceholder, string>> = {
  data_file: 'train_data',
  historic_file: 'historic_data',
  future_file: 'future_data',
  output_file: 'out_file',
  geo_file: 'polygons',
}

function toEntryPoint(command: Command, kind: 'train' | 'predict') {
  const text = toProjectCommand(command, kind)
  const names = Object.values(parameters).filter((name) => text.includes(`{${name}}`))
  return {
    ...(names.length > 0 && {
      parameters: Object.fromEntries(names.map((name) => [name, 'path'])),
    }),
    command: text,
  }
}

/** A command with the parameters of an MLproject: as its author wrote it where that is read back the same, else in quotes. */
function toProjectCommand(command: Command, kind: 'train' | 'predict'): string {
  const asWritten = toParameters(command.text)
  if (isShell(command)) return asWritten
  const isSame = (() => {
    try {
      const read = toServiceCommands(
        { commands: { train: 'true', predict: 'true', [kind]: asWritten } },
        { params: {}, as: 'placeholders' },
      )
      return (
        !read.shell &&
        isDeepStrictEqual(parseCommand(read[kind], { kind, shell: false }).words, command.words)
      )
    } catch (error) {
      if (!(error instanceof MlProjectError)) throw error
      return false
    }
  })()
  if (isSame) return asWritten
  const words = command.words.map(({ parts }) =>
    parts
      .map((part) => (typeof part === 'string' ? quote(part) : `{${parameters[part.file]}}`))
      .join(''),
  )
  return words.map((word) => (word === '' ? "''" : word)).join(' ')
}

/** Placeholders become parameters, and other braces are doubled, as they stand for themselves. */
function toParameters(text: string): string {
  const names = Object.keys(parameters).join('|')
  return text
    .split(new RegExp(`(\\{(?:${names})\\})`))
    .map((part, at) =>
      at % 2 === 1
        ? `{${parameters[part.slice(1, -1) as FilePlaceholder]}}`
        : part.replace(/[{}]/g, '$&$&'),
    )
    .join('')
}

const quote = (part: string) => {
  const text = part.replace(/[{}]/g, '$&$&')
  return /^[\w.,:=@%+/-]+$/.test(part) ? text : `'${text.replaceAll("'", `'"'"'`)}'`
}

const isShell = ({ text, words }: Command) =>
  words.length === 3 &&
  isDeepStrictEqual(words[0]?.parts, ['/bin/sh']) &&
  isDeepStrictEqual(words[1]?.parts, ['-c']) &&
  !text.startsWith('/bin/sh -c')

/** Where a service of the file would differ. What is not known before a service starts is left aside. */
function compare(text: string, info: MLServiceInfo, scripts: Scripts, schema: ConfigSchema) {
  const { project, problems, warnings } = readProject(text)
  if (project === null) return problems.map(({ path, text: said }) => `${path}: ${said}`)
  const differences = warnings
    // What options take is compared itself: of one that takes any value, there is a warning all the same.
    .filter(({ path }) => !path.startsWith('user_options.'))
    .map(({ path, text: said }) => `${path}: ${said}`)
  const { git_revision: _a, chapkit_version: _b, servicekit_version: _c, ...expected } = info
  const served = MLServiceInfo.parse(project.info) as unknown as Record<string, unknown>
  for (const [name, value] of Object.entries(expected))
    differ(name, served[name], value, differences)
  differ('adapters', project.adapters, scripts.adapters, differences)
  const format = project.configFormat ?? defaultConfigFormat
  differ('config_format', format, scripts.configFormat, differences)
  const [own, others] = [fieldsOf(schema), fieldsOf(toConfigSchema(project))]
  for (const name of new Set([...Object.keys(own), ...Object.keys(others)]))
    differ(`user_options.${name}`, others[name], own[name], differences)
  return [...differences, ...compareCommands(project, scripts)]
}

function compareCommands(project: MlProject, scripts: Scripts): string[] {
  try {
    const read = toServiceCommands(project, { params: {}, as: 'placeholders' })
    // In a shell, quoted words are the same words.
    if (read.shell) return []
    return (['train', 'predict'] as const).flatMap((kind) => {
      const { words } = parseCommand(read[kind], { kind, shell: false })
      return isShell(scripts[kind]) || isDeepStrictEqual(words, scripts[kind].words)
        ? []
        : [`entry_points.${kind}.command: it is read as other words`]
    })
  } catch (error) {
    if (!(error instanceof MlProjectError)) throw error
    return [...error.reasons]
  }
}

function differ(name: string, read: unknown, own: unknown, differences: string[]) {
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value ?? null)) as unknown
  if (isDeepStrictEqual(plain(read), plain(own))) return
  const show = (value: unknown) => JSON.stringify(value) ?? 'nothing'
  differences.push(`${name}: the file says ${show(read)}, the service ${show(own)}`)
}

/** What each field of a config accepts, and its default. */
function fieldsOf(schema: ConfigSchema): Record<string, unknown> {
  const { properties = {} } = toJsonSchema(schema) as { properties?: Record<string, JsonSchema> }
  return Object.fromEntries(
    Object.entries(properties).map(([name, { title: _title, $defs: _defs, ...field }]) => [
      name,
      // What may be left out is null in the file; it was told.
      { ...toOneForm(field), default: field.default ?? null },
    ]),
  )
}

/** Alternatives that are types alone are also written as a list of types. */
function toOneForm({ anyOf, ...field }: JsonSchema): JsonSchema {
  const types = Array.isArray(anyOf) ? anyOf.map(({ type, ...more }) => [type, more] as const) : []
  if (types.length === 0 || !types.every(([, more]) => Object.keys(more).length === 0))
    return { ...field, ...(anyOf !== undefined && { anyOf }) }
  return { ...field, type: types.flatMap(([type]) => type) }
}

/** What only a service file has. */
function findDropped(spec: ServiceSpec, scripts: Scripts): string[] {
  const { runner } = spec
  const { timeoutMs, limits, environment } = scripts
  const found: [unknown, string][] = [
    [runner?.validateTrain, 'onValidateTrain'],
    [runner?.validatePredict, 'onValidatePredict'],
    [timeoutMs !== null, 'timeoutSeconds'],
    [Object.values(limits).some((limit) => limit !== null), 'limits of processes'],
    [
      environment.pass.length > 0 || Object.keys(environment.set).length > 0,
      'environment variables',
    ],
    [scripts.project !== null, 'a folder of scripts that is not that of the service file'],
    [spec.auth, 'API keys'],
    [spec.routes.length > 0, 'routes'],
    [spec.entities.length > 0, 'entities'],
    [spec.tasks, 'tasks'],
    [spec.schedules, 'schedules'],
    [spec.webApps.length > 0, 'web apps'],
    [Object.keys(spec.checks).length > 0, 'health checks'],
    [spec.onStartup.length > 0 || spec.onShutdown.length > 0, 'hooks of start and stop'],
  ]
  return found
    .filter(([isThere]) => isThere)
    .map(
      ([, what]) => `${what}: no MLproject file can say it, and what serves the file does without`,
    )
}
