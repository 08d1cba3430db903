import { createReadStream } from 'node:fs'
import { copyFile, open, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { Scope } from '../harness.ts'
import { inTurns, milliseconds, type Program, toResult } from '../measure.ts'

export const streaming: Program = {
  name: 'streaming',
  row: 'uploading and downloading an artifact, against a copy of the file',
  async run({ quick }) {
    await using scope = new Scope()
    const { url, pid } = await scope.serve('mean.ts')
    const folder = scope.folder()
    const source = join(folder, 'source')
    const megabytes = quick ? 32 : 256
    let round = 0

    /** New bytes every time: those that are stored already would be skipped. */
    async function fill(): Promise<void> {
      round++
      const file = await open(source, 'w')
      const chunk = Buffer.alloc(2 ** 20)
      for (let at = 0; at < megabytes; at++) {
        chunk.fill(`${round} ${at} `)
        await file.write(chunk)
      }
      await file.sync()
      await file.close()
    }
    async function copy(): Promise<number> {
      const target = join(folder, 'copy')
      const ms = await milliseconds(async () => {
        await copyFile(source, target)
        const file = await open(target, 'r+')
        await file.sync()
        await file.close()
      })
      await rm(target)
      return (megabytes / ms) * 1000
    }
    let artifact = ''
    async function upload(): Promise<number> {
      const ms = await milliseconds(async () => {
        artifact = await send(`${url}/api/v1/artifacts/$upload`, source)
      })
      return (megabytes / ms) * 1000
    }
    async function download(): Promise<number> {
      let received = 0
      const ms = await milliseconds(async () => {
        received = await receive(`${url}/api/v1/artifacts/${artifact}/$download`)
      })
      if (received !== megabytes * 2 ** 20) throw new Error(`Received ${received} bytes`)
      return (megabytes / ms) * 1000
    }

    const repeats = quick ? 2 : 5
    await fill()
    await upload()
    await download()
    const up = { ours: [] as number[], limit: [] as number[] }
    for (let repeat = 0; repeat < repeats; repeat++) {
      await fill()
      up.limit.push(await copy())
      up.ours.push(await upload())
    }
    const down = await inTurns(repeats, download, copy)
    const limitOf = 'copying the file, synced'
    const { peak } = await peakOf(pid)
    return [
      toResult({ what: `upload of ${megabytes} MiB`, unit: 'MB/s', ...up, limitOf }),
      toResult({
        what: `download of ${megabytes} MiB`,
        unit: 'MB/s',
        ...down,
        limitOf,
        note: `resident memory of the service was never above ${Math.round(peak)} MB`,
      }),
    ]
  },
}

function send(url: string, file: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/octet-stream' }
    const sending = request(url, { method: 'POST', headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        if (response.statusCode !== 201) return reject(new Error(text))
        resolve((JSON.parse(text) as { id: string }).id)
      })
    })
    sending.on('error', reject)
    createReadStream(file, { highWaterMark: 256 * 1024 })
      .on('error', reject)
      .pipe(sending)
  })
}

function receive(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, (response) => {
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.byteLength
      })
      response.on('error', reject)
      response.on('end', () => resolve(bytes))
    })
      .on('error', reject)
      .end()
  })
}

async function peakOf(pid: number): Promise<{ peak: number }> {
  const file = await open(`/proc/${pid}/status`, 'r')
  const text = await file.readFile('utf8')
  await file.close()
  return { peak: Number(/^VmHWM:\s+(\d+) kB/m.exec(text)?.[1]) / 1024 }
}
