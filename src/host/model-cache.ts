const maximumModels = 16
const maximumFileBytes = 256 * 1024 * 1024

export interface LoadedModel {
  model: unknown
  /** Size of the model's file: the only measure of its memory that there is. */
  size: number
}

export type ModelCache = ReturnType<typeof createModelCache>

/** The models that this process has loaded, by content hash; the ones longest unused go first. */
export function createModelCache() {
  // A Map keeps the order of insertion: the first is the one longest unused.
  const loaded = new Map<string, Promise<LoadedModel>>()
  const sizes = new Map<string, number>()

  return {
    keys: (): string[] => [...loaded.keys()],

    async get(key: string, load: () => Promise<LoadedModel>): Promise<unknown> {
      const found = loaded.get(key)
      if (found) {
        loaded.delete(key)
        loaded.set(key, found)
        return (await found).model
      }
      const loading = load()
      loaded.set(key, loading)
      try {
        const { model, size } = await loading
        sizes.set(key, size)
        evict()
        return model
      } catch (error) {
        forget(key)
        throw error
      }
    },
  }

  /** The newest stays, however large it is: it is about to be used. */
  function evict(): void {
    let total = sizes.values().reduce((sum, size) => sum + size, 0)
    for (const key of [...loaded.keys()].slice(0, -1)) {
      if (loaded.size <= maximumModels && total <= maximumFileBytes) return
      total -= sizes.get(key) ?? 0
      forget(key)
    }
  }

  function forget(key: string): void {
    loaded.delete(key)
    sizes.delete(key)
  }
}
