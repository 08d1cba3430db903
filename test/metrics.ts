/** The text format of Prometheus, as the value of each series: `name{label="value"}`. */
export function readMetrics(text: string): Map<string, number> {
  const series = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [, name, value] = /^(\w+(?:\{.*\})?) (\S+)$/.exec(line) ?? []
    if (name === undefined || value === undefined) throw new Error(`No line of metrics: ${line}`)
    if (series.has(name)) throw new Error(`Twice: ${name}`)
    series.set(name, Number(value))
  }
  return series
}

/** The labels of every series of a name. */
export function labelsOf(series: Map<string, number>, name: string): Record<string, string>[] {
  return [...series.keys()]
    .filter((key) => key.startsWith(`${name}{`))
    .map((key) =>
      Object.fromEntries(
        [...key.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, value]) => [label, value]),
      ),
    )
}
