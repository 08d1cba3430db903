/** Packages that a project depends on: npm refuses a project of the same name. */
const taken = ['chapkit', 'zod', 'typescript']
const longest = 60

/**
 * What is wrong with the name of a project; undefined when nothing is. It is the name of a folder, of an npm package and of a
 * compose service, and the id of the service.
 */
export function nameProblem(name: string): string | undefined {
  if (taken.includes(name)) return `${name} is the name of a package that the project needs`
  if (name.length > longest) return `Expected a name of up to ${longest} characters`
  if (/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) return undefined
  const better = toName(name)
  return `Expected a name of small letters, digits and hyphens that begins with a letter${
    better === '' ? ', such as dengue-forecast' : `: try ${better}`
  }`
}

/** A name that is near to a text; empty when nothing of it can be used. */
function toName(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/\p{Mark}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[-0-9]+|-+$/g, '')
    .slice(0, longest)
    .replace(/-+$/, '')
}

/** What is wrong with a title; undefined when nothing is. */
export function titleProblem(title: string): string | undefined {
  if (title.trim() === '' || title.length > 100) return 'Expected a title of 1 to 100 characters'
  return /\p{Control}/u.test(title) ? 'Expected a title of one line' : undefined
}

/** A title made of a name: `dengue-forecast` becomes `Dengue forecast`. */
export function toTitle(name: string): string {
  const words = name.replaceAll('-', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}
