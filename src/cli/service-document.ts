import { existsSync, statSync } from 'node:fs'
import { defineService, type Service } from '../definition.ts'
import { toError } from '../errors.ts'
import { parseOpenApi } from '../postman/document.ts'
import type { OpenApi } from '../postman/schema.ts'
import { CommandError } from './exit.ts'
import { loadService } from './load.ts'

export interface Documented {
  document: OpenApi
  /** Where such a service answers when nobody says otherwise; undefined leaves it to the document. */
  baseUrl: string | undefined
}

/** Stands for the API keys of a service that asks for some. Nobody but this file can reach it: it guards nothing. */
const key = 'unreachable'

/**
 * The OpenAPI document of a service file, or of the MLproject of a folder. Nothing listens, the data folder is not touched, and
 * hooks of a user's own are not run.
 */
export async function documentOf(path: string): Promise<Documented> {
  if (!existsSync(path)) throw new CommandError(`There is no file ${path}`)
  const isFolder = statSync(path).isDirectory()
  const { spec } = isFolder ? await projectOf(path) : await serviceOf(path)
  const service = defineService({ ...spec, onStartup: [], onShutdown: [] })
  try {
    await service.start({
      ...{ databaseUrl: ':memory:', logLevel: 'silent', hosting: 'inline' },
      ...(spec.auth !== null && { apiKeys: [key] }),
    })
    const { statusCode, body } = await service.inject({
      url: '/openapi.json',
      headers: { authorization: `Bearer ${key}` },
    })
    if (statusCode !== 200)
      throw new CommandError(`${path} has no OpenAPI document: it answered ${statusCode}`)
    const baseUrl = isFolder ? 'http://127.0.0.1:9090' : undefined
    return { document: parseOpenApi(JSON.parse(body)), baseUrl }
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`The service of ${path} does not start: ${lineOf(error)}`, undefined, {
      cause: error,
    })
  } finally {
    await service.close()
  }
}

async function serviceOf(path: string): Promise<Service> {
  // What the file prints is not part of the document.
  const { log, info, debug } = console
  console.log = console.info = console.debug = console.error
  try {
    return (await loadService(path)).service
  } finally {
    Object.assign(console, { log, info, debug })
  }
}

async function projectOf(path: string): Promise<Service> {
  const { findProject } = await import('./mlproject.ts')
  const { MlProjectError } = await import('../mlproject/commands.ts')
  const { toService } = await import('../mlproject/service.ts')
  try {
    const { project, commands, folder } = findProject(path, { params: {}, as: 'files' })
    return toService(project, commands, { folder })
  } catch (error) {
    if (!(error instanceof MlProjectError)) throw error
    throw new CommandError(error.reasons.join('; '))
  }
}

function lineOf(error: unknown): string {
  return toError(error).message.replaceAll(/\s*\n\s*/g, ' ')
}
