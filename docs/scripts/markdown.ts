/** Text as it stands in a page: neither HTML, nor Vue's braces, nor the end of a cell. */
export function asText(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('{', '&#123;')
    .replaceAll('|', '\\|')
    .replaceAll('*', '\\*')
    .replace(/\s*\n\s*/g, ' ')
}

/** Prose that has marks of its own: code stays code, the rest is text. */
export function prose(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) =>
      part.startsWith('`') && part.length > 1 ? code(part.slice(1, -1)) : asText(part),
    )
    .join('')
}

/** Code in a line, in a cell too. */
export function code(text: string): string {
  return text === '' ? '' : `\`${text.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ')}\``
}

/** A table; nothing where it has no rows. Columns that are empty in every row are left out. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const used = head.map((_, at) => rows.some((row) => row[at] !== ''))
  const line = (cells: readonly string[]) => `| ${cells.filter((_, at) => used[at]).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

export function block(info: string, text: string): string {
  const fence = text.includes('```') ? '````' : '```'
  return `${fence}${info}\n${text.trimEnd()}\n${fence}`
}

/** Parts of a page with a line between them; empty ones are left out. */
export function page(...parts: readonly (string | false | undefined)[]): string {
  return `${parts.filter((part) => part).join('\n\n')}\n`
}

export function frontMatter(values: Record<string, string | number>): string {
  return `---\n${Object.entries(values)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')}---`
}

/** A name as part of an address. */
export function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
}
