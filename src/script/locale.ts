import { execFile } from 'node:child_process'

/*
 * The locale of scripts. R and others read UTF-8 files rightly in a UTF-8 locale only, and a service often has none: a unit of
 * systemd, cron and many images set nothing.
 */

type Variables = Readonly<Record<string, string | undefined>>

/** Where the C library looks for locales, if not in its usual place. */
export const localePlaces = ['LOCPATH', 'LOCALE_ARCHIVE'] as const

export interface ScriptLocale {
  /** In UTF-8 and on this machine; null when there is none. */
  name: string | null
  /** Whether the service has it, too. */
  isOwn: boolean
  /** The variables of the locale that scripts get; they get no others. */
  variables: Readonly<Record<string, string>>
}

/** In the order in which they are taken; then any other. */
const usual = ['C.UTF-8', 'en_US.UTF-8']
/** `locale -a` answers at once, unless its disk does not. */
const patienceMs = 5000

/** Chooses the locale of scripts: that of the service where it is usable, or one that is on this machine. */
export async function findLocale(service: Variables): Promise<ScriptLocale> {
  return chooseLocale(service, await listLocales(service))
}

/** Names of the locales on this machine; null where nobody can say. */
function listLocales(service: Variables): Promise<string[] | null> {
  const names = ['PATH', ...localePlaces]
  const env = Object.fromEntries(names.map((name) => [name, service[name]]))
  return new Promise((resolve) => {
    execFile('locale', ['-a'], { env, timeout: patienceMs }, (error, stdout) => {
      resolve(error ? null : stdout.split('\n').filter((line) => line !== ''))
    })
  })
}

/**
 * `installed` null stands for a machine without the program `locale`: small images, whose C library (musl, or glibc since 2.35)
 * has `C.UTF-8` built in.
 *
 * `LC_ALL` is never handed on, as nothing could be set beside it: `LC_NUMERIC` is C for everybody, or `awk`, `printf` and programs in
 * C would write decimal commas. The other parts of the service's locale, such as the order of texts, stay where they are usable.
 */
export function chooseLocale(
  service: Variables,
  installed: readonly string[] | null,
): ScriptLocale {
  const known = installed ?? ['C.UTF-8']
  const names = new Map(known.filter(isUtf8).map((name) => [normalized(name), name]))
  const usable = (name: string | undefined): name is string =>
    name !== undefined && names.has(normalized(name))
  const isKept = (name: string | undefined): name is string =>
    usable(name) || name === 'C' || name === 'POSIX'
  const of = (variable: string) => service.LC_ALL || service[variable] || service.LANG || undefined

  const wanted = of('LC_CTYPE')
  const isOwn = usable(wanted)
  const name = isOwn ? wanted : substitute(service, wanted, names)
  const variables: Record<string, string> = { LC_NUMERIC: 'C' }
  if (name !== null) {
    // What decides on the order of texts where nothing else does: plain C remains, if that was meant.
    const rest = service.LC_ALL || !isOwn || !isKept(service.LANG) ? name : service.LANG
    variables.LANG = rest
    if (rest !== name) variables.LC_CTYPE = name
  }
  if (service.LANGUAGE) variables.LANGUAGE = service.LANGUAGE
  for (const variable of Object.keys(service)) {
    if (!/^LC_[A-Z]+$/.test(variable) || /^LC_(ALL|CTYPE|NUMERIC)$/.test(variable)) continue
    const value = of(variable)
    if (isKept(value) && value !== variables.LANG) variables[variable] = value
  }
  return { name, isOwn, variables }
}

/** The same language in UTF-8, or what else the service names, or one of the usual ones, or any. */
function substitute(
  { LC_ALL, LANG }: Variables,
  wanted: string | undefined,
  names: ReadonlyMap<string, string>,
): string | null {
  const language = /^[a-z]{2,3}_[A-Z]{2}/.exec(wanted ?? '')?.[0]
  const order = [
    ...(language ? [`${language}.UTF-8`] : []),
    ...(!LC_ALL && LANG ? [LANG] : []),
    ...usual,
  ]
  const found = order.find((name) => names.has(normalized(name)))
  return found ?? names.values().next().value ?? null
}

const isUtf8 = (name: string): boolean => /\.utf-?8(@|$)/i.test(name)

/** As the C library compares names: `C.utf8` is `C.UTF-8`. */
const normalized = (name: string): string => name.replace(/\.utf-?8(?=@|$)/i, '.utf8')
