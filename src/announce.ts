import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { isCommit, type MLServiceInfo, type ServiceInfo } from './ml/info.ts'
import { advertise } from './orchestrator/address.ts'
import { createOrchestratorClient } from './orchestrator/client.ts'
import { createRegistration, type Registration } from './orchestrator/registration.ts'
import type { ServiceOptions } from './service.ts'

/** What keeps the service registered; null where it shall not be, or where nobody said with whom. */
export function openRegistration(
  { spec, settings, platform: { now, serviceTime, random }, logger }: ServiceOptions,
  info: ServiceInfo | MLServiceInfo,
): Registration | null {
  const { orchestratorUrl, registrationKey: key } = settings
  if (spec.registration === null || orchestratorUrl === null) return null
  const client = createOrchestratorClient({
    ...{ orchestratorUrl, key, now },
    ...{ id: info.id, info: { ...info } },
  })
  const { keepaliveMs } = spec.registration
  return createRegistration({ client, keepaliveMs, log: logger, now: serviceTime, random })
}

/** Registers a service that listens, where that is wanted; says in the log why not, and what an orchestrator will not reach. */
export function announce(
  { spec, settings, logger }: ServiceOptions,
  info: ServiceInfo | MLServiceInfo,
  registration: Registration | null,
  listening: AddressInfo,
): void {
  if (spec.registration === null) return
  if (registration === null) {
    logger.warn(
      { event: 'registration.skipped' },
      'not registered: withRegistration needs the URL of an orchestrator, in SERVICEKIT_ORCHESTRATOR_URL or as orchestratorUrl',
    )
    return
  }
  const { advertisedHost: host, advertisedPort: port } = settings
  const address = { url: spec.registration.url, host, port, hostname: hostname() }
  const { url, isHidden } = advertise(address, listening)
  if (isHidden) {
    logger.warn(
      { event: 'registration.hidden', url },
      `the service is registered as ${url} but listens on ${listening.address} alone: an orchestrator elsewhere cannot reach it; set HOST=0.0.0.0, or SERVICEKIT_HOST to where it is reached`,
    )
  }
  if ('git_revision' in info && !isCommit(info.git_revision)) {
    const found = info.git_revision === null ? 'is not known' : `is "${info.git_revision}"`
    logger.warn(
      { event: 'registration.unversioned', git_revision: info.git_revision },
      `the commit of this service ${found}: chap-core lists the service but cannot use it as a model; set GIT_REVISION to a commit of 7 to 40 hexadecimal digits (in a Dockerfile as a build argument)`,
    )
  }
  registration.start(url)
}
