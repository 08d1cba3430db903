import type { Queries } from '../db/tables.ts'

export const linkStore = {
  configOf: async (db: Queries, artifactId: string): Promise<string | undefined> => {
    const row = await db
      .selectFrom('config_artifact')
      .select('config_id')
      .where('tenant', '=', '')
      .where('artifact_id', '=', artifactId)
      .executeTakeFirst()
    return row?.config_id
  },

  /** Ids of artifacts that are linked to a config, behind one of them, in order, at most `limit`. */
  artifactsOf: async (
    db: Queries,
    configId: string,
    after: string,
    limit: number,
  ): Promise<string[]> => {
    const rows = await db
      .selectFrom('config_artifact')
      .select('artifact_id')
      .where('tenant', '=', '')
      .where('config_id', '=', configId)
      .where('artifact_id', '>', after)
      .orderBy('artifact_id')
      .limit(limit)
      .execute()
    return rows.map((row) => row.artifact_id)
  },

  insert: (db: Queries, configId: string, artifactId: string) =>
    db
      .insertInto('config_artifact')
      .values({ config_id: configId, artifact_id: artifactId })
      .execute(),

  removeArtifact: (db: Queries, artifactId: string) =>
    db
      .deleteFrom('config_artifact')
      .where('tenant', '=', '')
      .where('artifact_id', '=', artifactId)
      .execute(),

  /** For some artifacts at once: as many as a statement takes. */
  removeArtifacts: (db: Queries, artifactIds: readonly string[]) =>
    db
      .deleteFrom('config_artifact')
      .where('tenant', '=', '')
      .where('artifact_id', 'in', artifactIds)
      .execute(),
}
