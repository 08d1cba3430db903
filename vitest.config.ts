import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { configDefaults, defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

// Tests start some thousand processes, each of which would strip the types of every file again. Coverage needs what was run.
if (process.env.CHAPKIT_CHILD_COVERAGE === undefined)
  process.env.NODE_COMPILE_CACHE ??= resolve(import.meta.dirname, 'node_modules/.cache/compiled')

/** What every test runs with, whichever project it belongs to. */
const shared = {
  // Tests run the sources: the same condition that child processes are started with.
  ssr: { resolve: { conditions: ['chapkit-source', 'node', 'import', 'module', 'default'] } },
  test: {
    setupFiles: ['test/setup/coverage.ts'],
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    execArgv: ['--conditions=chapkit-source'],
  },
} satisfies TestProjectInlineConfiguration

export default defineConfig({
  test: {
    globalSetup: ['test/setup/programs.ts'],
    // What a test prints is shown when it fails.
    silent: 'passed-only',
    projects: [
      {
        ...shared,
        test: {
          ...shared.test,
          name: 'fast',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts'],
          exclude: [
            ...configDefaults.exclude,
            'test/crash/**',
            'test/package/**',
            'src/cli/templates/**',
          ],
          maxWorkers: availableParallelism(),
          typecheck: {
            enabled: true,
            ignoreSourceErrors: true,
            include: ['**/*.test-d.ts'],
            tsconfig: './tsconfig.json',
          },
        },
      },
      {
        ...shared,
        test: {
          ...shared.test,
          name: 'crash',
          include: ['test/crash/**/*.test.ts'],
          // After the others, which it would slow down: it starts and kills some 900 processes. Two files side by side fill
          // the waiting of one with the work of the other.
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
        },
      },
      {
        ...shared,
        test: {
          ...shared.test,
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          exclude: [...configDefaults.exclude, '**/tools/**'],
          // What users install, by itself: it measures times, and installs much.
          sequence: { groupOrder: 2 },
          maxWorkers: 1,
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.test.ts', 'src/**/*.test-d.ts', 'src/cli/templates/**'],
      reporter: ['json'],
      reportsDirectory: 'coverage/vitest',
    },
  },
})
