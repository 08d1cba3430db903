import { registerHooks } from 'node:module'

/** Packages that a service file may import without having installed them: it gets ours. */
const own = /^(chapkit|zod)(\/|$)/

/**
 * Lets a service file that lies anywhere import `chapkit` and `zod`: where its own folder does not have them, they are the
 * ones of the chapkit that runs it. Called once, by the program of a process, before the file is imported.
 */
export function resolveOwnPackages(): void {
  registerHooks({
    resolve(specifier, context, next) {
      if (!own.test(specifier)) return next(specifier, context)
      try {
        return next(specifier, context)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
        return next(specifier, { ...context, parentURL: import.meta.url })
      }
    },
  })
}
