/**
 * Every permission a route can ask for. `public` needs nothing. A user's own entity adds `<entity>:create|read|update|delete`.
 * To add one, add a line here and one in docs/reference/permissions.md.
 */
export const permissionCatalogue = {
  public: 'Open to everyone',
  'service:read': 'Read what the service is and how it does',
  'service:use': "Call the service's own additional routes",
  'config:create': 'Create configurations',
  'config:read': 'Read configurations',
  'config:update': 'Change configurations and link artifacts to them',
  'config:delete': 'Delete configurations and everything trained from them',
  'artifact:create': 'Create and upload artifacts',
  'artifact:read': 'Read artifacts and their trees',
  'artifact:update': 'Change artifacts',
  'artifact:delete': 'Delete artifacts',
  'artifact:download': 'Download the content of artifacts',
  'job:read': 'Read jobs, their logs and progress',
  'job:cancel': 'Cancel jobs',
  'job:delete': 'Delete jobs',
  'ml:train': 'Submit trainings',
  'ml:predict': 'Submit predictions',
  'ml:validate': 'Validate requests and generate sample data',
  'task:create': 'Create tasks',
  'task:read': 'Read tasks',
  'task:update': 'Change, enable and disable tasks',
  'task:delete': 'Delete tasks',
  'task:execute': 'Execute tasks',
  'schedule:create': 'Create schedules',
  'schedule:read': 'Read schedules and what became of their slots',
  'schedule:update': 'Change, pause and resume schedules',
  'schedule:delete': 'Delete schedules',
  'schedule:trigger': 'Run schedules besides their slots',
} as const satisfies Record<string, string>

export type CatalogPermission = keyof typeof permissionCatalogue

/** A permission of the catalogue, or one of a user's own entity. */
export type Permission = CatalogPermission | `${string}:${'create' | 'read' | 'update' | 'delete'}`

const entityPermission = /^[a-z][a-z0-9_-]*:(create|read|update|delete)$/

export function isPermission(value: unknown): value is Permission {
  return typeof value === 'string' && (value in permissionCatalogue || entityPermission.test(value))
}
