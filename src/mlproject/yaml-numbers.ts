import type { ScalarTag, Tags } from 'yaml'

/*
 * Plain numbers of YAML 1.1 as PyYAML reads them, for which MLproject files are written: `010` is 8, `1_000` is 1000, `1:30` is 90,
 * while `0o10`, `08` and `1e-3` are texts. The library's own YAML 1.1 differs: it has numbers where PyYAML has texts.
 */

const int = 'tag:yaml.org,2002:int'
const float = 'tag:yaml.org,2002:float'

const digits = (text: string) => text.replaceAll('_', '')
const signOf = (text: string) => (text.startsWith('-') ? -1 : 1)
const unsigned = (text: string) => digits(text).replace(/^[-+]/, '')

/** Parts to the base of 60, as of hours, minutes and seconds. */
const sexagesimal = (text: string) =>
  signOf(text) *
  unsigned(text)
    .split(':')
    .reduce((sum, part) => sum * 60 + Number(part), 0)

const prefixed = (text: string, prefix: string) => signOf(text) * Number(prefix + unsigned(text))

const numbers: readonly [tag: string, test: RegExp, resolve: (text: string) => number][] = [
  [int, /^[-+]?0b_*[01][01_]*$/, (text) => prefixed(text, '')],
  [int, /^[-+]?0_*[0-7][0-7_]*$/, (text) => prefixed(text, '0o')],
  [int, /^[-+]?0x_*[0-9a-fA-F][0-9a-fA-F_]*$/, (text) => prefixed(text, '')],
  [int, /^[-+]?(?:0_*|[1-9][0-9_]*)$/, (text) => Number(digits(text))],
  [int, /^[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+$/, sexagesimal],
  [float, /^[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?$/, (text) => Number(digits(text))],
  [float, /^\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?$/, (text) => Number(digits(text))],
  [float, /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*$/, sexagesimal],
  [float, /^[-+]?\.(?:inf|Inf|INF)$/, (text) => signOf(text) * Number.POSITIVE_INFINITY],
  [float, /^\.(?:nan|NaN|NAN)$/, () => Number.NaN],
]

/** In the place of the numbers of a schema. */
export const withPythonNumbers = (tags: Tags): Tags => [
  ...tags.filter((tag) => typeof tag === 'string' || (tag.tag !== int && tag.tag !== float)),
  ...numbers.map(
    ([tag, test, resolve]): ScalarTag => ({
      ...{ tag, default: true, test },
      // A whole number has no -0.
      resolve: (text) => (tag === int ? resolve(text) + 0 : resolve(text)),
    }),
  ),
]
