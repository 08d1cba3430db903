/** What the site is told by the environment; everything has a default that works on one's own machine. */
export const settings = {
  /** Path that the site lies at, with slashes around: GitHub Pages serves a project below its name. */
  base: process.env.DOCS_BASE || '/',
  /** Where the files of the repository can be read, such as `https://github.com/org/chapkit/blob/main`; without it, links to them are text. */
  repository: process.env.DOCS_REPOSITORY?.replace(/\/$/, '') || null,
} as const
