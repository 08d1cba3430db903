/** Columns that a frame of a request or a forecast may have. */
export const maximumColumns = 20_000
/** Characters that the name of such a column may have. */
export const longestColumnName = 250

/** What is wrong with the columns of a frame that is sent or forecast: their number, or the length of a name. Null if nothing is. */
export function widthError(columns: readonly string[]): string | null {
  if (columns.length > maximumColumns)
    return `Expected at most ${maximumColumns} columns, got ${columns.length}`
  const at = columns.findIndex((name) => name.length > longestColumnName)
  if (at < 0) return null
  return `Expected names of columns of at most ${longestColumnName} characters, got ${columns[at]!.length} in column ${at}`
}
