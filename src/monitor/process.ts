import { readdir, readFile } from 'node:fs/promises'
import {
  constants,
  type EventLoopUtilization,
  monitorEventLoopDelay,
  PerformanceObserver,
  performance,
} from 'node:perf_hooks'
import { getHeapSpaceStatistics } from 'node:v8'
import type { Meters } from './meters.ts'

/** How often the delay of the event loop is looked at, in milliseconds. */
const resolutionMs = 20

const gcKinds: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
}

interface GcEntry {
  duration: number
  detail?: { kind?: number }
}

/** Watches this process until it is closed: its event loop and its garbage collector. */
export function watchProcess(meters: Meters) {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  let utilization: EventLoopUtilization = performance.eventLoopUtilization()
  const observer = new PerformanceObserver((list) => {
    for (const { duration, detail } of list.getEntries() as unknown as GcEntry[]) {
      const kind = gcKinds[detail?.kind ?? 0] ?? 'other'
      meters.observe('nodejs_gc_duration_seconds', [kind], duration / 1000)
    }
  })
  observer.observe({ entryTypes: ['gc'] })

  /** Since the last time this was asked. */
  function readEventLoop() {
    const now = performance.eventLoopUtilization()
    const { utilization: ratio } = performance.eventLoopUtilization(now, utilization)
    utilization = now
    meters.set('nodejs_eventloop_utilization_ratio', [], ratio)
    // What is measured is the time between two looks, which is at least the resolution. Before the first there is nothing.
    const seconds = (nanoseconds: number) =>
      delay.count === 0 ? 0 : Math.max(0, nanoseconds / 1e9 - resolutionMs / 1000)
    meters.set('nodejs_eventloop_lag_mean_seconds', [], seconds(delay.mean))
    meters.set('nodejs_eventloop_lag_p99_seconds', [], seconds(delay.percentile(99)))
    meters.set('nodejs_eventloop_lag_max_seconds', [], seconds(delay.max))
    delay.reset()
  }

  function readMemory() {
    const { heapTotal, heapUsed, external } = process.memoryUsage()
    meters.set('nodejs_heap_size_total_bytes', [], heapTotal)
    meters.set('nodejs_heap_size_used_bytes', [], heapUsed)
    meters.set('nodejs_external_memory_bytes', [], external)
    for (const { space_name, space_used_size } of getHeapSpaceStatistics()) {
      const name = space_name.replace(/_space$/, '')
      meters.set('nodejs_heap_space_size_used_bytes', [name], space_used_size)
    }
  }

  function readResources() {
    meters.clear('nodejs_active_resources')
    const counts = new Map<string, number>()
    for (const type of process.getActiveResourcesInfo())
      counts.set(type, (counts.get(type) ?? 0) + 1)
    for (const [type, count] of counts) meters.set('nodejs_active_resources', [type], count)
  }

  function readCpu() {
    const { user, system } = process.cpuUsage()
    meters.set('process_cpu_user_seconds_total', [], user / 1e6)
    meters.set('process_cpu_system_seconds_total', [], system / 1e6)
    meters.set('process_cpu_seconds_total', [], (user + system) / 1e6)
    meters.set('process_start_time_seconds', [], performance.timeOrigin / 1000)
    meters.set('nodejs_version_info', [process.version], 1)
  }

  return {
    /** Puts down how the process does at this moment. Open files and address space only where there is `/proc`. */
    async read(): Promise<void> {
      readEventLoop()
      readMemory()
      readResources()
      readCpu()
      const [memory, files, limits] = await Promise.all([
        memoryOf('self'),
        readdir('/proc/self/fd').catch(() => undefined),
        readFile('/proc/self/limits', 'utf8').catch(() => ''),
      ])
      meters.set('process_resident_memory_bytes', [], memory?.resident ?? process.memoryUsage.rss())
      if (memory) meters.set('process_virtual_memory_bytes', [], memory.virtual)
      if (files) meters.set('process_open_fds', [], files.length)
      const [, maximum] = /^Max open files +(\d+)/m.exec(limits) ?? []
      if (maximum) meters.set('process_max_fds', [], Number(maximum))
    },

    close(): void {
      delay.disable()
      observer.disconnect()
    },
  }
}

/** Memory of a process in bytes; undefined where it has ended, or the system does not say. */
export async function memoryOf(
  pid: number | 'self',
): Promise<{ virtual: number; resident: number } | undefined> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const [, virtual] = /^VmSize:\s+(\d+) kB/m.exec(text) ?? []
  const [, resident] = /^VmRSS:\s+(\d+) kB/m.exec(text) ?? []
  if (!virtual || !resident) return undefined
  return { virtual: Number(virtual) * 1024, resident: Number(resident) * 1024 }
}
