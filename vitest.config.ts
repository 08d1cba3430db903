import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Tests run the sources: the same condition that child processes are started with.
  ssr: { resolve: { conditions: ['chapkit-source', 'node', 'import', 'module', 'default'] } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts'],
    // The crash campaigns take minutes and want strace and a quiet machine: CHAPKIT_CRASH=1 runs them.
    exclude: [
      '**/node_modules/**',
      ...(process.env.CHAPKIT_CRASH === '1' ? [] : ['test/crash/**']),
    ],
    globalSetup: ['test/setup/programs.ts'],
    setupFiles: ['test/setup/coverage.ts'],
    // What a test prints is shown when it fails.
    silent: 'passed-only',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    execArgv: ['--conditions=chapkit-source'],
    typecheck: {
      enabled: true,
      ignoreSourceErrors: true,
      include: ['**/*.test-d.ts'],
      tsconfig: './tsconfig.json',
    },
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: ['src/**/*.test.ts', 'src/**/*.test-d.ts'],
      reporter: ['json'],
      reportsDirectory: 'coverage/vitest',
    },
  },
})
