import { BaseServiceBuilder } from 'chapkit'

/** How long a request holds the thread, in milliseconds: enough that the request, and not HTTP, is what costs. */
const workMs = 5

function work(): number {
  const end = performance.now() + workMs
  let value = 1
  while (performance.now() < end) value = Math.sqrt(value + 1)
  return value
}

/** A route of the service's own that holds its one thread, the worst that a route can do. */
export default new BaseServiceBuilder({
  module: import.meta.url,
  info: { id: 'bench-work', display_name: 'Work' },
})
  .withHealth()
  .withRoutes((app) => {
    app.get('/work', async () => ({ value: work() }))
  })
  .build()
