import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Takes the folders of this machine out of texts that clients read; of files in a traceback only their names stay. */
export function redactor(module: string | null): (text: string) => string {
  const folders = [process.cwd(), ...(module === null ? [] : [dirname(fileURLToPath(module))])]
  return (text) =>
    folders
      .toSorted((a, b) => b.length - a.length)
      .reduce(
        (rest, folder) => rest.replaceAll(`file://${folder}/`, '').replaceAll(`${folder}/`, ''),
        text,
      )
      .replace(/(?<=^|[\s(])(?:file:\/\/)?\/(?:[^\s/():'"]+\/)+([^\s/():'"]+:\d+)/gm, '$1')
}
