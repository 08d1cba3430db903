/** What stands for the placeholders of a file. */
export interface RenderOptions {
  values: Readonly<Record<string, string>>
  flags: ReadonlySet<string>
}

// A line of its own, in a comment or bare: `// {{#flag}}`, `# {{^flag}}`, `{{/flag}}`.
const condition = /^\s*(?:\/\/|#)?\s*\{\{([#^/])(\w+)\}\}\s*$/

/**
 * Fills in a file of a template. `{{name}}` is a value. Lines between `{{#flag}}` and `{{/flag}}` stay where the flag is set,
 * those between `{{^flag}}` and `{{/flag}}` where it is not.
 */
export function render(path: string, text: string, { values, flags }: RenderOptions): string {
  const lines: string[] = []
  const open: { flag: string; keep: boolean }[] = []
  for (const line of text.split('\n')) {
    const [, kind, flag = ''] = condition.exec(line) ?? []
    if (kind === '/') {
      if (open.pop()?.flag !== flag) throw new Error(`${path} closes ${flag}, which is not open`)
    } else if (kind !== undefined) {
      open.push({ flag, keep: flags.has(flag) === (kind === '#') })
    } else if (open.every(({ keep }) => keep)) {
      lines.push(line)
    }
  }
  if (open.length > 0) throw new Error(`${path} does not close ${open.at(-1)?.flag}`)
  const quote = quoteFor(path)
  // Where a condition was, two blank lines may meet.
  const whole = lines.join('\n')
  const tidy = /\.(ts|md)$/.test(path) ? whole.replaceAll(/\n{3,}/g, '\n\n') : whole
  return tidy.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${path} has the unknown placeholder ${name}`)
    return quote(value)
  })
}

/** How a value is written within the quotes of a language. */
function quoteFor(path: string): (value: string) => string {
  if (path.endsWith('.ts')) return (value) => value.replaceAll(/['\\]/g, '\\$&')
  if (path.endsWith('MLproject')) return (value) => JSON.stringify(value).slice(1, -1)
  return (value) => value
}
