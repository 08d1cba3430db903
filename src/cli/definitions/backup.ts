import { Command } from 'commander'
import { type Run, withExamples, withJson } from './define.ts'

export function backupCommand(run: Run): Command {
  return withExamples(
    withJson(new Command('backup'))
      .description('copy the data of a service, which may go on running, into a new folder')
      .argument('<dir>', 'folder for the backup; absent or empty')
      .option('--data-dir <folder>', 'folder of the service (CHAPKIT_DATA_DIR, default ./data)')
      .action((dir: string, options) =>
        run(async () => (await import('../commands/backup.ts')).backup(dir, options)),
      ),
    'chapkit backup /backups/2026-11-22 --data-dir ./data',
  )
}

export function restoreCommand(run: Run): Command {
  return withExamples(
    withJson(new Command('restore'))
      .description('put a backup in place, checked, while no service runs')
      .argument('<dir>', 'folder that chapkit backup made')
      .option('--data-dir <folder>', 'folder to restore into (CHAPKIT_DATA_DIR, default ./data)')
      .option(
        '--force',
        'also where there is data, which is kept in <data-dir>.before-restore-<time>',
      )
      .action((dir: string, options) =>
        run(async () => (await import('../commands/restore.ts')).restore(dir, options)),
      ),
    'chapkit restore /backups/2026-11-22 --data-dir ./data',
  )
}
