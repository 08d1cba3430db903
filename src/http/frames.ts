const ancestors = /(?:^|;)\s*frame-ancestors\b[^;]*/i

/**
 * Headers of a page that only pages of its own origin, and of `origins`, may show in a frame: in a frame of another site, a click
 * that is meant for that site could be one on the page. A `policy` that names others as `frame-ancestors` has decided that itself.
 */
export function frameHeaders(
  policy: string | null,
  origins: readonly string[],
): Record<string, string> {
  const [named] = ancestors.exec(policy ?? '') ?? []
  const isOwnOnly = named !== undefined && /\s'self'\s*$/i.test(named)
  if (policy !== null && named !== undefined && !isOwnOnly) {
    return { 'content-security-policy': policy }
  }
  // The older header can name no other origin, and some browsers heed it beside a policy.
  if (origins.length === 0) {
    return { ...(policy !== null && { 'content-security-policy': policy }), ...sameOrigin }
  }
  const wanted = `frame-ancestors 'self' ${origins.join(' ')}`
  const rest = policy?.replace(ancestors, '') ?? ''
  return { 'content-security-policy': rest === '' ? wanted : `${rest}; ${wanted}` }
}

const sameOrigin = { 'x-frame-options': 'SAMEORIGIN' }
