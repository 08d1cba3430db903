import { toYaml } from '../kernel/yaml.ts'
import type { ServiceCommands } from './commands.ts'
import { dataFolderOf } from './image.ts'
import { describeSchema } from './options.ts'
import type { MlProject } from './project.ts'
import { defaultConfigFormat } from './service.ts'

/** Texts of the files around a service file. */

export interface FilesOptions {
  project: MlProject
  commands: ServiceCommands
  /** Folder of the service's data, below the project. */
  dataDir: string
  /** Of chapkit. */
  version: string
  /** What has to be done by hand. */
  notes: readonly string[]
}

export function toPackageFile({ project, dataDir, version }: FilesOptions): string {
  const content = {
    name: project.info.id,
    private: true,
    type: 'module',
    engines: { node: '>=24' },
    scripts: {
      start: `chapkit serve service.ts --data-dir ${dataDir}`,
      test: 'tsc',
    },
    dependencies: { chapkit: `^${version}`, zod: '^4.0.0' },
    devDependencies: { '@types/node': '^24.0.0', typescript: '>=5.9' },
  }
  return `${JSON.stringify(content, null, 2)}\n`
}

export function toTypesFile(): string {
  const content = {
    compilerOptions: {
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      module: 'nodenext',
      types: ['node'],
      strict: true,
      erasableSyntaxOnly: true,
      verbatimModuleSyntax: true,
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      noEmit: true,
    },
    include: ['service.ts'],
  }
  return `${JSON.stringify(content, null, 2)}\n`
}

export function toComposeFile({ project, dataDir }: FilesOptions): string {
  return `# GIT_REVISION=$(git rev-parse HEAD) docker compose up --build
${toYaml({
  services: {
    [project.info.id]: {
      // The commit, which chap-core asks for.
      build: { context: '.', args: { GIT_REVISION: variable('GIT_REVISION') } },
      ports: ['127.0.0.1:9090:9090'],
      environment: {
        ...Object.fromEntries(passed.map((name) => [name, variable(name)])),
        SERVICEKIT_HOST: project.info.id,
      },
      volumes: [`data:${dataFolderOf(dataDir)}`],
      user: '1000:1000',
      read_only: true,
      tmpfs: ['/tmp'],
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      restart: 'unless-stopped',
      init: true,
      stop_grace_period: '40s',
    },
  },
  volumes: { data: {} },
})}`
}

/** Variables that a service is told by the file .env beside its compose file. */
const passed = ['CHAPKIT_API_KEYS', 'SERVICEKIT_ORCHESTRATOR_URL', 'SERVICEKIT_REGISTRATION_KEY']
const variable = (name: string) => `\${${name}:-}`

export function toReadme({ project }: FilesOptions): string {
  const { display_name, description } = project.info
  return `# ${oneLine(display_name)}

${description ? `${description}\n\n` : ''}A model as a web service: see [CHAPKIT.md](CHAPKIT.md).
`
}

export function toGuide({ project, commands, dataDir, notes }: FilesOptions): string {
  const rows = project.options.map(
    ({ name, schema, default: fallback, description }) =>
      `| \`${cell(name)}\` | ${cell(describeSchema(schema))} | ${fallback === undefined ? 'required' : `\`${cell(JSON.stringify(fallback))}\``} | ${cell(description ?? '')} |\n`,
  )
  return `# How this service works

\`service.ts\` is the service; the scripts of the model are what they were.

\`\`\`bash
npm install
npm start
\`\`\`

Or with Docker: \`GIT_REVISION=$(git rev-parse HEAD) docker compose up --build\`; it answers at http://localhost:9090, with API
pages at /docs. What it keeps is in \`${dataDir}/\`, or in the volume.

With \`SERVICEKIT_ORCHESTRATOR_URL\` set, it registers with chap-core by itself. chap-core takes a model only with the commit of its
image, \`GIT_REVISION\`, and takes another commit only with another version: raise \`version\` in \`service.ts\` with each
commit that you deploy. \`.github/workflows/publish.yml\` builds such an image on GitHub.

## Commands

Each runs in a copy of this folder, with its inputs as files.

* Training: \`${commands.train}\`
* Predicting: \`${commands.predict}\`, in the folder as training left it. It writes \`predictions.csv\`.

| file | is |
|---|---|
| \`data.csv\` | what the model is trained on |
| \`historic.csv\`, \`future.csv\` | what a prediction is made from |
| \`config.yml\` | the options${(project.configFormat ?? defaultConfigFormat) === 'flat' ? '' : ', under `user_option_values`'} |
| \`geo.json\` | the areas, when they were sent |

## Options

| option | type | default | |
|---|---|---|---|
${rows.length === 0 ? '| none | | | |\n' : rows.join('')}
## Where things are

* \`_old/\` has what the service does not need any more, the MLproject file for one. It can be deleted.
* \`.chapkitignore\` names what is not copied for a run, in the syntax of \`.gitignore\`.
${notes.length === 0 ? '' : `\n## To do by hand\n\n${notes.map((note) => `* ${oneLine(note)}\n`).join('')}`}`
}

/** What git, Docker and the copies for runs leave out. */
export function toIgnoreFiles({ dataDir }: FilesOptions): Readonly<Record<string, string[]>> {
  return {
    '.gitignore': ['node_modules/', `/${dataDir}/`],
    '.dockerignore': [
      ...['.git', '.github', 'node_modules', dataDir, '_old', '.venv', 'renv/library', '.env'],
      ...['__pycache__', 'Dockerfile', 'compose.yml'],
    ],
    '.chapkitignore': [
      '/_old/',
      '/service.ts',
      '/package.json',
      '/package-lock.json',
      '/tsconfig.json',
      '/Dockerfile',
      '/compose.yml',
      '/.dockerignore',
      '/CHAPKIT.md',
      '/.github/',
    ],
  }
}

const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim()
const cell = (text: string) => oneLine(text).replaceAll('|', '\\|')
