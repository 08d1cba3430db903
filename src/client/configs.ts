import type { ConfigOut } from '../config/schema.ts'
import type { ArtifactRecord } from './artifacts.ts'
import { type Collection, createCollection, segment } from './collection.ts'
import type { CallOptions, Transport } from './transport.ts'

/** A config as it is sent. */
export interface ConfigInput<Data> {
  /** ULID chosen by the client. */
  id?: string | null | undefined
  name: string
  tags?: string[] | undefined
  data: Data
}

/** A config as it is answered. */
export type ConfigRecord<Data> = Omit<ConfigOut, 'data'> & { data: Data }

export interface ConfigsClient<In, Out> extends Collection<ConfigRecord<Out>, ConfigInput<In>> {
  /** Deletes a config, with the artifact trees that are linked to it. */
  remove(id: string, options?: CallOptions): Promise<void>
  /** The root artifacts that are linked to a config, with their content. */
  artifacts(id: string, options?: CallOptions): Promise<ArtifactRecord[]>
  /** Links a root artifact to a config; linking it again changes nothing. */
  link(id: string, artifactId: string, options?: CallOptions): Promise<void>
  unlink(id: string, artifactId: string, options?: CallOptions): Promise<void>
}

export function createConfigs<In, Out>(
  transport: Transport,
  prefix: string,
): ConfigsClient<In, Out> {
  const join = (operation: string) => (id: string, artifactId: string, options?: CallOptions) =>
    transport.done({
      ...options,
      method: 'POST',
      path: `${prefix}/${segment(id)}/${operation}`,
      json: { artifact_id: artifactId },
      repeatable: true,
    })

  return {
    ...createCollection<ConfigRecord<Out>, ConfigInput<In>>(transport, prefix),
    artifacts: (id, options) =>
      transport.json<ArtifactRecord[]>({
        ...options,
        path: `${prefix}/${segment(id)}/$artifacts`,
      }),
    link: join('$link-artifact'),
    unlink: join('$unlink-artifact'),
  }
}
