import { Command } from 'commander'
import { type Run, withExamples, withService } from './define.ts'

export function openapiCommand(run: Run): Command {
  return withExamples(
    withService(
      new Command('openapi')
        .description('print the API of a service: as OpenAPI, or as a Postman collection')
        .argument(
          '[file]',
          'service file, or folder of an MLproject; nothing listens (default: the service at --url)',
        )
        .option('-o, --output <file>', 'write into this file, which is replaced when all went well')
        .option('--yaml', 'YAML instead of JSON')
        .option('--postman', 'a Postman collection (v2.1) instead'),
    ).action((file: string | undefined, options) =>
      run(async () => (await import('../commands/openapi.ts')).openapi(file, options)),
    ),
    'chapkit openapi service.ts --yaml -o openapi.yaml',
    'chapkit openapi --url http://127.0.0.1:8000 --postman -o forecasts.postman.json',
  )
}
