/** The examples that have a Postman collection, with what `chapkit openapi` is given. */
export const collections = [
  ...[
    'class-model',
    'dashboard',
    'dengue',
    'full',
    'library',
    'shell-python',
    'shell-r',
    'spatial',
    'tasks',
  ].map((name) => ({
    name,
    source: `examples/${name}/service.ts`,
  })),
  { name: 'mlproject-r', source: 'examples/mlproject-r' },
]
