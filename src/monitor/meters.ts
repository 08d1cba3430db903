import {
  type CounterName,
  type Family,
  type FamilyName,
  families,
  type GaugeName,
  type HistogramName,
  type LabelValues,
} from './schema.ts'

/** One line of a family: `name` has the suffix that parts of histograms have. */
export interface Sample {
  name: string
  labels: Readonly<Record<string, string | number>>
  value: number
}

interface Cell {
  labels: readonly string[]
  /** Of a histogram the sum of what was observed. */
  value: number
  count: number
  /** What was observed up to each bound and above the one before. */
  buckets: number[]
}

/** The cells of a family by label values, with a level of maps for each label: finding one builds no key. */
type Level = Map<string, Level | Cell>

export type Meters = ReturnType<typeof createMeters>

/** The numbers of one service. Adding to them is as cheap as can be; all the rest is done when somebody asks for them. */
export function createMeters() {
  const cells = new Map<FamilyName, Cell[]>()
  const roots = new Map<FamilyName, Level>()
  const lone = new Map<FamilyName, Cell>()

  function add(name: FamilyName, labels: readonly string[]): Cell {
    const { buckets = [] } = families[name] as Family
    const cell = { labels, value: 0, count: 0, buckets: buckets.map(() => 0) }
    const known = cells.get(name)
    if (known) known.push(cell)
    else cells.set(name, [cell])
    return cell
  }

  function cellOf(name: FamilyName, labels: readonly string[]): Cell {
    if (labels.length === 0) return entry(lone, name, () => add(name, labels))
    let level = entry(roots, name, (): Level => new Map())
    const last = labels.length - 1
    for (let at = 0; at < last; at++) {
      level = entry(level as Map<string, Level>, labels[at] as string, (): Level => new Map())
    }
    return entry(level as Map<string, Cell>, labels[last] as string, () => add(name, labels))
  }

  return {
    /** Adds to a counter, or shows it as 0. */
    count<Name extends CounterName>(name: Name, labels: LabelValues<Name>, by = 1): void {
      cellOf(name, labels).value += by
    },

    /** What a gauge says, or a counter that somebody else counts. */
    set<Name extends GaugeName | CounterName>(
      name: Name,
      labels: LabelValues<Name>,
      value: number,
    ): void {
      cellOf(name, labels).value = value
    },

    /** Forgets a gauge's series: those that are no more must not stay. */
    clear(name: GaugeName): void {
      cells.delete(name)
      roots.delete(name)
      lone.delete(name)
    },

    observe<Name extends HistogramName>(
      name: Name,
      labels: LabelValues<Name>,
      value: number,
    ): void {
      addTo(cellOf(name, labels), families[name].buckets, value)
    },

    /** One series of a histogram, for those who look it up once and not for each value. */
    series<Name extends HistogramName>(name: Name, labels: LabelValues<Name>) {
      const cell = cellOf(name, labels)
      const { buckets } = families[name]
      return (value: number): void => addTo(cell, buckets, value)
    },

    /** Shows the series of a family under another name, with other labels; those without labels there are left out. */
    mirror<Name extends HistogramName>(
      name: Name,
      source: HistogramName,
      relabel: (labels: readonly string[]) => LabelValues<Name> | null,
    ): void {
      const mirrored = (cells.get(source) ?? []).flatMap((cell): Cell[] => {
        const labels = relabel(cell.labels)
        return labels === null ? [] : [{ ...cell, labels }]
      })
      cells.set(name, mirrored)
    },

    /** How often a histogram has observed something, by the first of its labels. */
    counts(name: HistogramName): [label: string, count: number][] {
      return (cells.get(name) ?? []).map(({ labels, count }) => [labels[0] ?? '', count])
    },

    /** The families that have something to say, in the order of the catalogue. */
    read(): { name: FamilyName; samples: Sample[] }[] {
      return (Object.keys(families) as FamilyName[]).flatMap((name) => {
        const known = cells.get(name) ?? []
        const samples = known.flatMap((cell) => toSamples(name, families[name], cell))
        return samples.length === 0 ? [] : [{ name, samples }]
      })
    },
  }
}

function addTo(cell: Cell, bounds: readonly number[], value: number): void {
  cell.value += value
  cell.count++
  let at = 0
  while (at < bounds.length && value > (bounds[at] as number)) at++
  if (at < bounds.length) cell.buckets[at] = (cell.buckets[at] as number) + 1
}

function toSamples(name: string, family: Family, cell: Cell): Sample[] {
  const labels = Object.fromEntries(
    family.labels.map((label, at) => [label, cell.labels[at] as string]),
  )
  if (!family.buckets) return [{ name, labels, value: cell.value }]
  let below = 0
  const buckets = family.buckets.map((bound, at) => {
    below += cell.buckets[at] as number
    return { name: `${name}_bucket`, labels: { ...labels, le: bound }, value: below }
  })
  return [
    ...buckets,
    { name: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: cell.count },
    { name: `${name}_sum`, labels, value: cell.value },
    { name: `${name}_count`, labels, value: cell.count },
  ]
}

function entry<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
