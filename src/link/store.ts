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

  artifactsOf: async (db: Queries, configId: string): Promise<string[]> => {
    const rows = await db
      .selectFrom('config_artifact')
      .select('artifact_id')
      .where('tenant', '=', '')
      .where('config_id', '=', configId)
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

  removeConfig: (db: Queries, configId: string) =>
    db
      .deleteFrom('config_artifact')
      .where('tenant', '=', '')
      .where('config_id', '=', configId)
      .execute(),
}
