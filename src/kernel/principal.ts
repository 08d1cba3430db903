/** Who asks, where a service asks for that. */
export interface Principal {
  kind: 'key'
  /** For people: the place of the key among those of the service, such as `key-1`. */
  name: string
  /** Tells callers apart, also after a restart and when keys were added or removed. A hash of the key. */
  id: string
}
