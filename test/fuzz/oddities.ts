/** Bytes that no honest client sends, or that few do. */
export interface Oddity {
  name: string
  pieces: (string | Uint8Array)[]
  /** What may be answered; without it a refusal (4xx), or nothing but the end. */
  allowed?: 'anything-below-500'
  /** How many answers there may be: one more is one to a request that nobody sent. @default 1 */
  answers?: number
}

const crlf = '\r\n'
const json = 'Content-Type: application/json'
const body = '{"name":"a","data":{}}'

function raw(line: string, headers: string[] = [], content = ''): string {
  return [line, 'Host: localhost', 'Connection: close', ...headers, '', content].join(crlf)
}
const get = (headers: string[]) => raw('GET /health/live HTTP/1.1', headers)
const post = (headers: string[], content = body) =>
  raw('POST /api/v1/configs HTTP/1.1', [json, ...headers], content)

type Entry = [name: string, ...pieces: (string | Uint8Array)[]]
const refused = (group: string, entries: Entry[]): Oddity[] =>
  entries.map(([name, ...pieces]) => ({ name: `${group}: ${name}`, pieces }))
/** Sent as they are by some clients, or harmless: only a 5xx, a crash and a hang are wrong. */
const endured = (group: string, entries: Entry[]): Oddity[] =>
  refused(group, entries).map((each) => ({ ...each, allowed: 'anything-below-500' }))

const shown = (text: string) =>
  JSON.stringify(text.length > 50 ? `${text.slice(0, 50)}… (${text.length})` : text)

function requestLines(): Oddity[] {
  const lines = [
    'GET / HTTP/2.0',
    ...['', ' ', 'GET', 'GET ', 'GET /', 'GET / HTTP/1.1 x', ' GET / HTTP/1.1'],
    ...[
      'GET\t/\tHTTP/1.1',
      'GET / HTTP/1.1\0',
      'GET / HTTPS/1.1',
      'GET / http/1.1',
      '/ GET HTTP/1.1',
    ],
    ...['GET / HTTP/', 'GET / HTTP/1', 'GET / HTTP/1.', 'GET / HTTP/1.1.1', 'GET / HTTP/01.1'],
    ...['GET / HTTP/1.10', 'GET / HTTP/-1.1', 'GET / HTTP/a.b', 'GET / FTP/1.1', 'GET / HTTP 1.1'],
    ...['GET / HTTP/0.9', 'GET / HTTP/3.0', 'GET / HTTP/9.9', 'HTTP/1.1 200 OK'],
    ...[
      '{}',
      '<xml/>',
      'null',
      'GET /\u0001 HTTP/1.1',
      'GET /\u007f HTTP/1.1',
      '\u0000\u0000\u0000',
    ],
    ...['GET', 'POST', 'PUT'].map((method) => `${method}/health HTTP/1.1`),
  ]
  const toEntry = (line: string): Entry => [shown(line), raw(line)]
  // The parser of Node takes these, and nothing comes of it.
  const lenient = ['GET  / HTTP/1.1']
  return [
    ...refused('request line', lines.map(toEntry)),
    ...endured('request line', lenient.map(toEntry)),
  ]
}

function methods(): Oddity[] {
  const unknown = [
    ...['get', 'Get', 'gET', 'FOO', 'G\u0000ET', 'G ET', 'GET:', '(GET)', 'GÉT', 'X'.repeat(5000)],
    ...[
      'CONNECT',
      'TRACE',
      'PROPFIND',
      'MKCOL',
      'LOCK',
      'PURGE',
      'QUERY',
      'PATCH',
      'LINK',
      'SOURCE',
    ],
    ...[
      'M-SEARCH',
      'REPORT',
      'SEARCH',
      'COPY',
      'MOVE',
      'BIND',
      'ACL',
      'PRI',
      'DESCRIBE',
      'SUBSCRIBE',
    ],
  ]
  return refused(
    'method',
    unknown.flatMap((method): Entry[] =>
      ['/health/live', '/api/v1/configs', '/nowhere'].map((path) => [
        `${shown(method)} ${path}`,
        raw(`${method} ${path} HTTP/1.1`),
      ]),
    ),
  )
}

function targets(): Oddity[] {
  const paths = [
    ...['*', 'health', '//', '///health', '/health/', '//health', '/./health', '/../health', '/%'],
    ...[
      '/%zz',
      '/%ff',
      '/%00',
      '/%2e%2e/',
      '/..%2f..%2fetc/passwd',
      '/..\\..\\etc\\passwd',
      '/%c0%af',
    ],
    ...[
      '/\\',
      '/;a=b',
      '/#a',
      '/?',
      '/??',
      '/health?%',
      '/health?%zz=%',
      '/health?a[b][c]=d',
      '/HEALTH',
    ],
    ...[
      'http://evil.example/',
      'http://evil.example',
      'https://a:b@c/',
      'ftp://a/',
      'file:///etc/passwd',
    ],
    ...[
      'javascript:alert(1)',
      '/api/v1/configs/%2e%2e',
      '/api/v1/configs/..',
      '/api/v1/configs/%2f',
    ],
    ...[
      '/api/v1/configs/%00',
      '/api/v1/configs/%0d%0aX:%20y',
      '/api/v1/configs/%u0041',
      '/🐟',
      '/é',
    ],
    ...[
      'evil.example:80',
      ':80',
      '[::1]',
      '/api/v1/configs/$',
      '/api/v1/configs/$nothing',
      '/<script>',
    ],
    ...[129, 1000, 15_000, 17_000, 100_000].map((length) => `/${'x'.repeat(length)}`),
    ...[129, 1000, 15_000].map((length) => `/api/v1/configs/${'x'.repeat(length)}`),
    `/health?${'a=b&'.repeat(3000)}`,
    `/${'../'.repeat(1000)}etc/passwd`,
    `/${'%2e%2e%2f'.repeat(500)}`,
    `/${'a/'.repeat(5000)}`,
  ]
  return endured(
    'target',
    paths.flatMap((path): Entry[] => [
      [`GET ${shown(path)}`, raw(`GET ${path} HTTP/1.1`)],
      [`DELETE ${shown(path)}`, raw(`DELETE ${path} HTTP/1.1`)],
    ]),
  )
}

function headers(): Oddity[] {
  const broken = [
    ...[
      ': a',
      'a',
      'a b: c',
      'a : b',
      ' a: b',
      '\ta: b',
      'a\u0000: b',
      'a: \u0000',
      'a: b\u0000c',
      '(a): b',
    ],
    ...[
      'a\u0001: b',
      'ä: b',
      'a@b: c',
      'a[b]: c',
      'a"b": c',
      '\u007f: a',
      'a: \u007f',
      'a,b: c',
      'a/b: c',
    ],
    ...['a: b\rc: d', 'a: b\nc d: e', 'Host: evil.example', 'Host:', 'a: \u0008', '{"a":1}', 'a=b'],
  ]
  const odd = [
    ...[
      'a:',
      'a:b',
      'a:    b   ',
      '__proto__: a',
      'constructor: a',
      'toString: a',
      'a: é',
      'a: \u00ff',
    ],
    ...[
      'Accept: */*;q=x',
      'Accept: ,,,',
      'Cookie: =;=;',
      'Range: bytes=-',
      'If-None-Match: "',
      'TE: x',
    ],
    ...[
      'Expect: x',
      'Expect: 100-continue',
      'Connection: a, b, c',
      'Connection: \u00ff',
      'Upgrade: x',
    ],
    ...[
      'Origin: null',
      'Referer: javascript:',
      'X-HTTP-Method-Override: DELETE',
      "X-Forwarded-For: '",
    ],
    ...['X-Forwarded-Host: evil', 'Forwarded: for="_gazonk"', 'Date: never', 'Content-Length: 0'],
    ...[
      'Authorization: Basic !!!',
      'Prefer: wait=abc',
      'Idempotency-Key: \u00ff',
      'Trailer: a',
      'Via: x',
    ],
    ...[
      'Max-Forwards: -1',
      'Keep-Alive: timeout=-1',
      'Proxy-Connection: close',
      'HTTP2-Settings: x',
    ],
  ]
  const many = (count: number) => Array.from({ length: count }, (_, index) => `x-${index}: a`)
  return [
    ...endured('broken header', [
      ...broken.map((line): Entry => [`GET ${shown(line)}`, get([line])]),
      ...broken.map((line): Entry => [`POST ${shown(line)}`, post([line, 'Content-Length: 22'])]),
    ]),
    ...endured('odd header', [
      ...odd.map((line): Entry => [`GET ${shown(line)}`, get([line])]),
      ...odd.map((line): Entry => [`POST ${shown(line)}`, post([line, 'Content-Length: 22'])]),
      ...[10, 100, 500, 1000].map((count): Entry => [`${count} headers`, get(many(count))]),
      ...[8000, 16_000].map(
        (length): Entry => [`${length} long`, get([`x: ${'a'.repeat(length)}`])],
      ),
    ]),
    // Blanks before a value are skipped, not kept.
    ...endured('too much', [['64 KiB of blanks', get([`x:${' '.repeat(65_536)}a`])]]),
    ...refused('too much', [
      ['2100 headers', get(many(2100))],
      ['17 KiB of value', get([`x: ${'a'.repeat(17_000)}`])],
      ['1 MiB of value', get([`x: ${'a'.repeat(1 << 20)}`])],
      ['17 KiB of name', get([`${'a'.repeat(17_000)}: x`])],
      ['no Host', `GET /health HTTP/1.1${crlf}Connection: close${crlf}${crlf}`],
    ]),
  ]
}

function framing(): Oddity[] {
  const lengths = [
    ...['-1', '+22', '22.0', '0x16', '22 22', '22,22', '2e1', 'abc', '', ' ', '"22"', '22;', '٢٢'],
    ...['99999999999999999999999', '18446744073709551616', '1_0', '22\u0000', '22\t3', 'NaN', '∞'],
  ]
  const encodings = [
    ...[
      'xchunked',
      'chunked, identity',
      'identity',
      'chunked;q=1',
      'Chunked, chunked',
      '"chunked"',
    ],
    ...[
      'gzip',
      'gzip, chunked',
      'deflate',
      'chunked, gzip',
      'cow',
      '',
      ',',
      'chunked\u0000',
      '\u000bchunked',
    ],
  ]
  const pairs: [string, string[]][] = [
    ['both lengths', ['Content-Length: 22', 'Transfer-Encoding: chunked']],
    ['both, the other way', ['Transfer-Encoding: chunked', 'Content-Length: 22']],
    ['two that differ', ['Content-Length: 22', 'Content-Length: 23']],
    ['two alike', ['Content-Length: 22', 'Content-Length: 22']],
    ['a blank before the colon', ['Content-Length : 22']],
    ['a folded length', ['Content-Length:', ' 22']],
    ['a folded encoding', ['Transfer-Encoding:', ' chunked']],
    ['an underscore', ['Content_Length: 22']],
    ['two encodings', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity']],
  ]
  return endured('framing', [
    ...lengths.map(
      (value): Entry => [`length ${shown(value)}`, post([`Content-Length: ${value}`])],
    ),
    ...encodings.map(
      (value): Entry => [
        `encoding ${shown(value)}`,
        post([`Transfer-Encoding: ${value}`], `16${crlf}${body}${crlf}0${crlf}${crlf}`),
      ],
    ),
    ...pairs.map(([name, lines]): Entry => [name, post(lines, `0${crlf}${crlf}${body}`)]),
  ])
}

function chunks(): Oddity[] {
  const end = `0${crlf}${crlf}`
  const bodies: [string, string][] = [
    ['no length', `${crlf}${body}${crlf}${end}`],
    ['no hexadecimal', `zz${crlf}${body}${crlf}${end}`],
    ['below 0', `-16${crlf}${body}${crlf}${end}`],
    ['with 0x', `0x16${crlf}${body}${crlf}${end}`],
    ['with a plus', `+16${crlf}${body}${crlf}${end}`],
    ['with an underscore', `1_6${crlf}${body}${crlf}${end}`],
    ['enormous', `ffffffffffffffffff${crlf}${body}${crlf}${end}`],
    ['just too large for a long', `8000000000000000${crlf}${body}${crlf}${end}`],
    ['too short', `5${crlf}${body}${crlf}${end}`],
    ['without CRLF behind the data', `16${crlf}${body}${end}`],
    ['with bare LF', `16\n${body}\n0\n\n`],
    ['with bare CR', `16\r${body}\r0\r\r`],
    ['an extension', `16;a=b${crlf}${body}${crlf}${end}`],
    ['an extension in quotes', `16;a="b;c"${crlf}${body}${crlf}${end}`],
    ['an extension with LF', `16;a\nb${crlf}${body}${crlf}${end}`],
    ['a long extension', `16;${'a'.repeat(20_000)}${crlf}${body}${crlf}${end}`],
    ['a blank before', ` 16${crlf}${body}${crlf}${end}`],
    ['a blank behind', `16 ${crlf}${body}${crlf}${end}`],
    ['leading zeros', `${'0'.repeat(100)}16${crlf}${body}${crlf}${end}`],
    ['a trailer', `16${crlf}${body}${crlf}0${crlf}X-A: b${crlf}${crlf}`],
    ['a trailer that frames', `16${crlf}${body}${crlf}0${crlf}Content-Length: 5${crlf}${crlf}`],
    ['a broken trailer', `16${crlf}${body}${crlf}0${crlf}a b${crlf}${crlf}`],
    ['a huge trailer', `16${crlf}${body}${crlf}0${crlf}x: ${'a'.repeat(20_000)}${crlf}${crlf}`],
    ['nothing', end],
    ['a second message behind', `16${crlf}${body}${crlf}${end}GET /evil HTTP/1.1${crlf}${crlf}`],
    ['one byte each', `${[...body].map((each) => `1${crlf}${each}${crlf}`).join('')}${end}`],
  ]
  return endured('chunk', [
    ...bodies.map(([name, text]): Entry => [name, post(['Transfer-Encoding: chunked'], text)]),
    ...bodies.map(
      ([name, text]): Entry => [
        `${name}, uploaded`,
        raw('POST /api/v1/artifacts/$upload HTTP/1.1', ['Transfer-Encoding: chunked'], text),
      ],
    ),
  ])
}

function contents(): Oddity[] {
  const deep = '['.repeat(10_000)
  const texts: (string | Uint8Array)[] = [
    ...[
      '',
      ' ',
      '\u0000',
      '{',
      '}',
      '[]',
      'null',
      '"',
      '1',
      'nul',
      '{"a":}',
      "{'a':1}",
      '{"a":1,}',
      deep,
    ],
    ...[
      '{"name":"a","data":{},"data":{}}',
      '{"__proto__":{}}',
      '{"\\u005f_proto__":{}}',
      '[1e999]',
    ],
    ...[
      '{"name":"\\ud800","data":{}}',
      '{"name":"\\u0000","data":{}}',
      '{"name":1e400}',
      'NaN',
      '\ufeff{}',
    ],
    ...[
      '{"name":"a","data":{"a":99999999999999999999}}',
      '{"name":"a","data":{"a":-0}}',
      '//c\n{}',
    ],
    Buffer.from([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]),
    Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]),
    Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
    Buffer.alloc(4096),
    Buffer.alloc(4096, 0xff),
  ]
  const types = [
    '',
    'text/plain',
    'multipart/form-data; boundary=',
    'application/json\ta',
    ';',
    '\u00ff',
  ]
  const encodings = ['gzip', 'br', 'x', 'identity, gzip', '']
  const sized = (lines: string[], text: string | Uint8Array): (string | Uint8Array)[] => [
    raw('POST /api/v1/configs HTTP/1.1', [...lines, `Content-Length: ${Buffer.byteLength(text)}`]),
    text,
  ]
  return endured('content', [
    ...texts.map((text, index): Entry => [`${index}`, ...sized([json], text)]),
    ...texts.map(
      (text, index): Entry => [
        `train ${index}`,
        raw('POST /api/v1/ml/$train HTTP/1.1', [
          json,
          `Content-Length: ${Buffer.byteLength(text)}`,
        ]),
        text,
      ],
    ),
    ...types.map(
      (type): Entry => [`type ${shown(type)}`, ...sized([`Content-Type: ${type}`], body)],
    ),
    ...types.map(
      (type): Entry => [
        `types, JSON and ${shown(type)}`,
        ...sized([json, `Content-Type: ${type}`], body),
      ],
    ),
    ...encodings.map(
      (each): Entry => [
        `encoded ${shown(each)}`,
        ...sized([json, `Content-Encoding: ${each}`], body),
      ],
    ),
  ])
}

function otherProtocols(): Oddity[] {
  const websocket = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
  ]
  const upgrade = (lines: string[]) =>
    ['GET /health/live HTTP/1.1', 'Host: localhost', ...lines, '', ''].join(crlf)
  const closing = raw('GET /health/live HTTP/1.1')
  const upgrades = endured('upgrade', [
    ['websocket', upgrade(websocket), closing],
    ['websocket and bytes', upgrade(websocket), Buffer.from('818537fa213d7f9f4d5158', 'hex')],
    ['websocket without key', upgrade(websocket.slice(0, 2)), closing],
    [
      'h2c',
      upgrade(['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AA']),
      closing,
    ],
    ['nothing known', upgrade(['Connection: Upgrade', 'Upgrade: a/1, b/2']), closing],
    ['TLS', upgrade(['Connection: Upgrade', 'Upgrade: TLS/1.0']), closing],
    ['nothing', upgrade(['Connection: Upgrade', 'Upgrade:']), closing],
  ])
  return [
    ...refused('other protocol', [
      [
        'HTTP/2 preface',
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
      ],
      ['TLS hello', Buffer.from('16030100c8010000c40303', 'hex'), Buffer.alloc(193, 7)],
      ['SSLv2 hello', Buffer.from('802e0100020015000000100100800700c0', 'hex')],
      ['TLS alert', Buffer.from('15030100020228', 'hex'), crlf, crlf],
      ['SSH', 'SSH-2.0-OpenSSH_9.9\r\n'],
      ['SMTP', 'EHLO a\r\nMAIL FROM:<a>\r\n'],
      ['FTP', 'USER anonymous\r\n'],
      ['POP3', 'CAPA\r\n'],
      ['IMAP', 'a1 LOGIN a b\r\n'],
      ['Redis', '*1\r\n$4\r\nPING\r\n'],
      ['memcached', 'stats\r\n'],
      ['IRC', 'NICK a\r\nUSER a 0 * :a\r\n'],
      ['SIP', 'OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n'],
      ['RTSP', 'DESCRIBE rtsp://a/ RTSP/1.0\r\n\r\n'],
      ['PROXY v1', 'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
      ['PROXY v2', Buffer.from('0d0a0d0a000d0a515549540a2111000c', 'hex'), Buffer.alloc(12)],
      ['MQTT', Buffer.from('100c00044d5154540402003c0000', 'hex')],
      ['PostgreSQL', Buffer.from('0000000804d2162f', 'hex')],
      ['SMB', Buffer.from('00000085ff534d4272', 'hex'), Buffer.alloc(128)],
      ['SOCKS5', Buffer.from('050100', 'hex')],
      ['RDP', Buffer.from('0300002b26e00000000000', 'hex')],
      ['AJP', Buffer.from('12340001', 'hex')],
      ['DNS', Buffer.from('001d0001010000010000000000000161', 'hex')],
      ['zeros', Buffer.alloc(20_000)],
      ['ones', Buffer.alloc(20_000, 0xff)],
      ['every byte', Buffer.from(Array.from({ length: 256 }, (_, index) => index))],
      ['shell shock', '() { :; }; /bin/ls\r\n\r\n'],
    ]),
    ...upgrades.map((each) => ({ ...each, answers: 2 })),
  ]
}

function pipelines(): Oddity[] {
  const open = `GET /health/live HTTP/1.1${crlf}Host: localhost${crlf}${crlf}`
  const last = raw('GET /health/live HTTP/1.1')
  const several = endured('pipeline', [
    [
      'HTTP/1.0, kept',
      `GET /health/live HTTP/1.0${crlf}Connection: keep-alive${crlf}${crlf}`,
      last,
    ],
    ['two', open, last],
    ['two hundred', open.repeat(200), last],
    ['two thousand', open.repeat(2000), last],
    ['blank lines between', `${crlf}${crlf}${open}${crlf}${last}`],
    ['rubbish between', open, 'rubbish\r\n\r\n', last],
  ])
  const single = endured('pipeline', [
    ['rubbish behind the last', last, 'rubbish'],
    ['a body that is a request', post([`Content-Length: ${open.length}`], open)],
    ['a GET with a body', raw('GET /health/live HTTP/1.1', ['Content-Length: 5'], 'hello')],
    ['a GET whose body is a request', get([`Content-Length: ${open.length}`]) + open],
    ['a HEAD with a body', raw('HEAD /health/live HTTP/1.1', ['Content-Length: 2'], '{}')],
    ['a body longer than it says', post(['Content-Length: 5'])],
    ['one behind Connection: close', last, open],
    ['HTTP/1.0 without an end', `GET /health/live HTTP/1.0${crlf}${crlf}`],
    ['byte by byte', ...last],
    ['bare LF', last.replaceAll(crlf, '\n')],
    ['bare CR', last.replaceAll(crlf, '\r')],
    ['LF CR', last.replaceAll(crlf, '\n\r')],
  ])
  return [...several.map((each) => ({ ...each, answers: 2001 })), ...single]
}

/** A request that ends at each of these places: the client is gone before the rest. */
function halves(): Oddity[] {
  const whole = post(['Content-Length: 22'])
  const places = Array.from({ length: 40 }, (_, index) => Math.floor((index * whole.length) / 40))
  const upload = raw('POST /api/v1/artifacts/$upload HTTP/1.1', ['Content-Length: 1000'], 'half')
  return endured('half', [
    ...places.map((length): Entry => [`${length} bytes`, whole.slice(0, length)]),
    ['an upload', upload],
    ['an upload in chunks', upload.replace('Content-Length: 1000', 'Transfer-Encoding: chunked')],
    ['Expect: 100-continue', post(['Content-Length: 22', 'Expect: 100-continue'], '')],
  ])
}

/** Every oddity, each once, in a fixed order. */
export function oddities(): Oddity[] {
  return [
    ...requestLines(),
    ...methods(),
    ...targets(),
    ...headers(),
    ...framing(),
    ...chunks(),
    ...contents(),
    ...otherProtocols(),
    ...pipelines(),
    ...halves(),
  ]
}
