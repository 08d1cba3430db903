/** A finding about a request, before or instead of running it. `code` up to 128 characters, `message` up to 2048. */
export interface Diagnostic {
  severity: 'error' | 'warning' | 'info'
  code: string
  message: string
  field: string | null
}
