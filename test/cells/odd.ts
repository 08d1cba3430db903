import fc from 'fast-check'
import type { Cell } from '../../src/data/schema.ts'

/*
 * Cells as people, spreadsheets and programs leave them. What matters are pieces that some reader takes for part of a number, a
 * date, a missing value or a text, and another does not.
 */

const blanks = [' ', '\t', '\u00a0', '\u2009', '\u202f', '\u3000', '\u200b', '\u0085', '\v', '\f']
const lineEnds = ['\n', '\r', '\r\n', '\u2028', '\u2029']
const marks = ['\ufeff', '\u0000', '\u0007', '\u001b', '\u007f', '\u009b', '\u202e', '\u2066']
const signs = ['+', '-', '\u2212', '±', '--', '+-']
const digits = ['0', '1', '7', '9', '00', '12', '٣', '３', '५', '²', '½', 'Ⅷ', '一']
const points = ['.', ',', '٫', '·', "'", '_', '\u202f', '..']
const exponents = ['e5', 'E5', 'e+5', 'e-05', 'd5', 'e', 'e999', 'e-400', '^2', '×10', 'e5.5', 'E٣']
const quotes = ['"', '""', "'", '`', '“', '”', '\\"', '\\']
const separators = [',', ';', '|', '=', '@', '#', '<', '>', '%', '$', '/', ':']
const words = [
  ...['NA', 'na', 'N/A', '#N/A', 'nan', 'NaN', 'NAN', '-nan', 'null', 'NULL', 'None', 'nil', 'inf'],
  ...['Inf', '-Infinity', 'Infinity', 'missing', '-', '.', '?', '..', '*', 'x', 'undefined', ' NA'],
  ...[
    'true',
    'TRUE',
    'True',
    'false',
    'FALSE',
    'T',
    'F',
    'yes',
    'no',
    'NO',
    'on',
    'off',
    'y',
    'wahr',
  ],
]
const numbers = [
  ...[
    '0',
    '-0',
    '+0',
    '00',
    '007',
    '0.0',
    '.5',
    '5.',
    '-.5',
    '+1',
    '1_000',
    '1 000',
    '1,234',
    '71,5',
  ],
  ...[
    '1.234',
    '1.234,5',
    '1,234.5',
    '1e5',
    '1e-05',
    '2.5e+20',
    '1E5',
    '0x10',
    '0b1',
    '0o7',
    '1e999',
  ],
  ...['9007199254740991', '9007199254740992', '9007199254740993', '-9007199254740993', '1e20'],
  ...[
    '123456789012345678901234567890',
    '0.1',
    '0.30000000000000004',
    '5e-324',
    '1e308',
    '١٢٣',
    '１２',
  ],
  ...[
    '<5',
    '>5',
    '5*',
    '5 %',
    '$5',
    '5,',
    ',5',
    '1e5 ',
    ' 1',
    '\t1\t',
    '1\u00a0',
    '1e 5',
    '1L',
    '1f',
    '1n',
  ],
]
const periods = [
  ...[
    '2024',
    '202401',
    '2024-01',
    '2024-1',
    '2024/01',
    '01/2024',
    '2024-13',
    '2024M01',
    '2024-01-31',
  ],
  ...[
    '20240131',
    '2024-02-30',
    '31/01/2024',
    '2024W5',
    '2024W05',
    '2024-W05',
    '2023-W53',
    '2024WedW5',
  ],
  ...[
    '2024SunW53',
    '2024BiW3',
    '202401B',
    '2024Q1',
    '2024-Q1',
    '2024S1',
    '2024AprilS1',
    '2024NovS2',
  ],
  ...[
    '2024April',
    '2024July',
    '2024Oct',
    '2024Nov',
    '2003-12-29/2004-01-04',
    '2024-01-01/2024-01-31',
  ],
  ...[
    '2024-01-01/2024-01-03',
    '2024-01-31T00:00:00',
    '2024-01-31T00:00:00Z',
    '2024-01-31 12:00',
    '45292',
  ],
  ...[
    '2024-01-31T23:59:60+02:00',
    '12:30',
    '1:30',
    'Jan 2024',
    'jan-24',
    '24-01',
    '٢٠٢٤-٠١',
    '0000-01',
  ],
]
const codes = [
  'O6uvpzGd5pu',
  '0012',
  '1e5',
  '12E3',
  '007',
  'Rondônia, "west"',
  'São\nPaulo',
  "Côte d'Ivoire",
]
const formulas = ['=1+1', '@SUM(A1)', '+cmd', '-2+3', "'007", '="007"']
const odd = [
  '__proto__',
  'constructor',
  'ﬁ',
  'é',
  'e\u0301',
  '😀',
  '\ud83d',
  '\udc00',
  'İ',
  'ß',
  '\uffff',
]

const pieces = fc.oneof(
  ...[blanks, lineEnds, marks, signs, digits, points, exponents, quotes, separators].map((of) =>
    fc.constantFrom(...of),
  ),
)
const whole = fc.oneof(
  ...[words, numbers, periods, codes, formulas, odd].map((of) => fc.constantFrom(...of)),
)
const around = fc.constantFrom('', '', '', ...blanks, ...lineEnds, ...marks, ...quotes)

/** Text that some reader takes for something else. */
export const oddText: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: whole },
  { weight: 3, arbitrary: fc.tuple(around, whole, around).map((parts) => parts.join('')) },
  { weight: 3, arbitrary: fc.array(pieces, { maxLength: 5 }).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: fc.array(digitsOrPoint(), { maxLength: 20 }).map((all) => all.join('')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
  { weight: 1, arbitrary: fc.double({ noNaN: true }).map(String) },
)

function digitsOrPoint() {
  return fc.constantFrom(...'00112233445566778899', '.', '-', '+', 'e', 'E')
}

const edge = Number.MAX_SAFE_INTEGER
/** Finite numbers; minus zero is 0 in every stored form. */
const oddNumber: fc.Arbitrary<number> = fc
  .oneof(
    fc.integer({ min: -10, max: 300_000 }),
    fc.integer({ min: -4, max: 4 }).map((step) => edge + step),
    fc.integer({ min: -4, max: 4 }).map((step) => -edge + step),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(
      0.1,
      0.30000000000000004,
      1e20,
      1e21,
      5e-324,
      1.7976931348623157e308,
      202401,
      2024,
    ),
  )
  .map((number) => number + 0)

/** Cells as typed doors can get them. */
export const oddCell: fc.Arbitrary<Cell> = fc.oneof(
  { weight: 6, arbitrary: oddText },
  { weight: 3, arbitrary: oddNumber },
  { weight: 1, arbitrary: fc.constantFrom<Cell>(true, false, null, '') },
)
