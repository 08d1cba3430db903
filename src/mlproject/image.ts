import type { Needs } from './environment.ts'

const node = 'node:24-bookworm-slim'
const r = 'rocker/r2u:24.04'
const python = 'python:3.13-slim-bookworm'

export interface ImageOptions {
  /** Image to build on instead of the one that fits. */
  baseImage: string | null
  /** Folder of the service's data, below the project. */
  dataDir: string
}

/** Image that the Dockerfile builds on. */
export function baseImageOf(needs: Needs): string {
  if (needs.r) return r
  return needs.python ? python : node
}

/** A Dockerfile: the programs that the commands need, Node, the service, a user without rights. */
export function toDockerfile(needs: Needs, { baseImage, dataDir }: ImageOptions): string {
  const image = baseImage ?? baseImageOf(needs)
  const dataFolder = dataFolderOf(dataDir)
  const hasNode = image.startsWith('node:')
  const parts = [
    ...(hasNode ? [] : [`FROM ${node} AS node`]),
    [
      `FROM ${image}`,
      ...(hasNode
        ? []
        : [
            'COPY --from=node /usr/local/bin/node /usr/local/bin/node',
            'COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules',
            'RUN ln -sf ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm',
          ]),
    ].join('\n'),
    ...installs(needs, image),
    `WORKDIR /app
COPY package.json package-lock.json* ./
RUN npm install --omit=dev --no-audit --no-fund
COPY . .`,
    ...writable(dataFolder),
    `# The commit that this image is made of, which chap-core asks for:
# docker build --build-arg GIT_REVISION=$(git rev-parse HEAD) .
ARG GIT_REVISION=""
ENV GIT_REVISION=$GIT_REVISION`,
    `ENV NODE_ENV=production HOST=0.0.0.0 PORT=9090 CHAPKIT_DATA_DIR=${dataFolder} LOG_FORMAT=json
EXPOSE 9090
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \\
  CMD ["node", "-e", "fetch('http://127.0.0.1:9090/health/ready').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "/app/node_modules/chapkit/dist/cli/bin.js", "serve", "/app/service.ts"]`,
  ]
  return `${parts.join('\n\n')}\n`
}

/**
 * Where the data of the service are in the image: in `data` of its working directory, where who installs images puts a volume. The
 * model keeps its own folder of that name, so the working directory is another one then.
 */
export function dataFolderOf(dataDir: string): string {
  return dataDir === 'data' ? '/app/data' : '/service/data'
}

/** What the service writes to, and the user that it is. */
function writable(dataFolder: string): string[] {
  const workFolder = dataFolder.replace(/\/data$/, '')
  return [
    `# The service writes to its data, which is a volume, and to /tmp; it runs where all else is read-only. Programs that write to the
# home of their user write to /tmp, too.
RUN getent passwd 1000 || useradd --uid 1000 --no-create-home --home-dir /tmp service
RUN mkdir -p ${dataFolder} && chown 1000:1000 ${dataFolder}
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1
${workFolder === '/app' ? '' : `# Here data/ is the service's; that of the model is in /app.\nWORKDIR ${workFolder}\n`}USER 1000:1000
VOLUME ${dataFolder}`,
  ]
}

function installs(needs: Needs, image: string): string[] {
  const parts: string[] = []
  if (needs.python && !image.startsWith('python:') && image === r) {
    parts.push(`RUN apt-get update \\
  && apt-get install -y --no-install-recommends python3 python3-pip python-is-python3 \\
  && rm -rf /var/lib/apt/lists/*
ENV PIP_BREAK_SYSTEM_PACKAGES=1`)
  }
  if (needs.r && needs.rPackages.length > 0) {
    const names = needs.rPackages.map((name) => `'${name}'`).join(', ')
    parts.push(`RUN Rscript -e "options(warn = 2); install.packages(c(${names}))"`)
  }
  if (needs.renv) parts.push('ENV RENV_CONFIG_AUTOLOADER_ENABLED=FALSE')
  if (needs.inla) {
    parts.push(
      `RUN Rscript -e "options(warn = 2); install.packages('INLA', repos = c(getOption('repos'), INLA = 'https://inla.r-inla-download.org/R/stable'), dependencies = TRUE)"`,
    )
  }
  if (needs.uv || needs.requirements === 'pyproject.toml')
    parts.push('RUN pip install --no-cache-dir uv')
  if (needs.requirements === 'requirements.txt') {
    parts.push(`COPY requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir -r /tmp/requirements.txt`)
  } else if (needs.requirements === 'pyproject.toml') {
    parts.push(`COPY pyproject.toml /tmp/pyproject.toml
RUN uv pip install --system --break-system-packages --no-cache -r /tmp/pyproject.toml`)
  } else if (needs.pythonPackages.length > 0) {
    const names = needs.pythonPackages.map((name) => `'${name}'`).join(' ')
    parts.push(`RUN pip install --no-cache-dir ${names}`)
  }
  return parts
}
