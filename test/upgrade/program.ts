// Makes the fixture of this version: data folders that it wrote, packed with the answers that it gave. Run at a release.
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { version } from 'chapkit'
import { fixtureFile, pack, type Stories } from './fixture.ts'
import { tellOfCommands, tellOfFunctions } from './story.ts'
import { tellOfTasks } from './task-story.ts'

const file = fixtureFile(version)
if (existsSync(file) && !process.argv.includes('--force')) {
  console.error(`${file} is there: what a released version wrote is not made again`)
  process.exit(1)
}

const work = mkdtempSync(join(tmpdir(), 'chapkit-upgrade-'))
try {
  const stories: Stories = {
    functions: await tellOfFunctions(join(work, 'functions'), 'SIGTERM'),
    killed: await tellOfFunctions(join(work, 'killed'), 'SIGKILL'),
    shell: await tellOfCommands(join(work, 'shell')),
    tasks: await tellOfTasks(join(work, 'tasks'), 'SIGTERM'),
    'tasks-killed': await tellOfTasks(join(work, 'tasks-killed'), 'SIGKILL'),
  }
  writeFileSync(join(work, 'stories.json'), JSON.stringify(stories))
  mkdirSync(dirname(file), { recursive: true })
  pack(work, version)
  console.log(`${file}: ${Math.round(statSync(file).size / 1024)} KiB`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
