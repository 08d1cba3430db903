import {
  type Comment,
  type DeclarationReflection,
  type ParameterReflection,
  type ProjectReflection,
  ReflectionKind,
  type SignatureReflection,
  type SomeType,
} from 'typedoc'
import { block, code, frontMatter, page, prose, table } from './markdown.ts'

/** A page for each builder, with its methods and what they take, from the types. */
export function builderPages(project: ProjectReflection): Record<string, string> {
  const builders = project
    .getReflectionsByKind(ReflectionKind.Class)
    .filter(({ name }) => name.endsWith('ServiceBuilder')) as DeclarationReflection[]
  const ordered = builders.sort((a, b) => rank(a) - rank(b))
  return {
    'index.md': page(
      frontMatter({ order: 0 }),
      '# Builders',
      'Which one to take is said in [Builders](../../builders/index.md). A method returns the builder; `build()` checks the whole.',
      ...ordered.flatMap((builder) => [
        `## [${builder.name}](${builder.name}.md)`,
        prose(text(builder.comment)),
        table(
          ['method', 'does'],
          ownMethods(builder).map((method) => [
            `[${code(method.name)}](${builder.name}.md#${method.name.toLowerCase()})`,
            prose(firstSentence(text(method.signatures?.[0]?.comment))),
          ]),
        ),
      ]),
    ),
    ...Object.fromEntries(
      ordered.map((builder, at) => [`${builder.name}.md`, builderPage(builder, at + 1)]),
    ),
  }
}

/** From the one that has least to the one that has most. */
function rank(builder: DeclarationReflection): number {
  return ancestors(builder).length
}

function ancestors({ extendedTypes = [] }: DeclarationReflection): DeclarationReflection[] {
  const [parent] = extendedTypes.flatMap((type) =>
    type.type === 'reference' && type.reflection ? [type.reflection as DeclarationReflection] : [],
  )
  return parent ? [parent, ...ancestors(parent)] : []
}

function ownMethods({ children = [] }: DeclarationReflection): DeclarationReflection[] {
  return children.filter(
    ({ kind, inheritedFrom }) => kind === ReflectionKind.Method && !inheritedFrom,
  )
}

function builderPage(builder: DeclarationReflection, order: number): string {
  const make = builder.children?.find(({ kind }) => kind === ReflectionKind.Constructor)
  return page(
    frontMatter({ order }),
    `# ${builder.name}`,
    prose(text(builder.comment)),
    ...ancestors(builder).map(({ name }) => `It also has the methods of [${name}](${name}.md).`),
    '## Making one {#constructor}',
    ...(make?.signatures ?? []).flatMap((signature) => signatureParts(signature)),
    `What \`info\` may have is in ${info('ServiceInfoInput')}, for a service with a model in ${info('MLServiceInfoInput')}.`,
    ...ownMethods(builder).flatMap((method) => [
      `## ${method.name} {#${method.name.toLowerCase()}}`,
      ...(method.signatures ?? []).flatMap((signature) => signatureParts(signature)),
    ]),
  )
}

const info = (name: string) => `[${name}](../types/index/type-aliases/${name}.md)`

function signatureParts(signature: SignatureReflection): string[] {
  const { name, comment } = signature
  const parameters = (signature.parameters ?? []).filter(({ name }) => name !== 'this')
  const call = parameters
    .map(
      (parameter) =>
        `${nameOf(parameter)}${isOptional(parameter) ? '?' : ''}: ${brief(parameter.type)}`,
    )
    .join(', ')
  const isMaking = signature.kind === ReflectionKind.ConstructorSignature
  const begin = isMaking ? `new ${name}` : `.${name}`
  return [
    block('ts', `${begin}(${call})`),
    prose(text(comment)),
    ...parameters.map((parameter) => optionTable(parameter)),
    ...(comment?.blockTags ?? [])
      .filter(({ tag }) => tag === '@example')
      .map(({ content }) => content.map((part) => part.text).join('')),
  ]
}

/** Options that are taken apart in the signature have no name of their own. */
function nameOf({ name }: ParameterReflection): string {
  return name === '__namedParameters' ? 'options' : name
}

const isOptional = ({ flags, defaultValue }: ParameterReflection) =>
  flags.isOptional || defaultValue !== undefined

/** A type in one line: of what is spelled out at length, only that it is an object. */
function brief(type: SomeType | undefined): string {
  const whole = type?.toString() ?? 'unknown'
  if (whole.length <= 60) return whole
  return type?.type === 'reference' ? type.name : 'object'
}

/** The properties of an options object. */
function optionTable(parameter: ParameterReflection): string {
  const { type } = parameter
  const target =
    type?.type === 'reference' ? (type.reflection as DeclarationReflection | undefined) : null
  const isOptions = target?.kind === ReflectionKind.Interface && /Options$/.test(target.name)
  const properties = isOptions ? (target.children ?? []) : []
  return table(
    ['option', 'type', 'default', 'meaning'],
    properties.map((property) => [
      `${code(property.name)}${property.flags.isOptional ? ' <small>optional</small>' : ''}`,
      code(typeOf(property)),
      prose(defaultOf(property.comment)),
      prose(text(property.comment)),
    ]),
  )
}

function typeOf({ type, signatures }: DeclarationReflection): string {
  return signatures ? 'function' : brief(type)
}

function text(comment: Comment | undefined): string {
  return (comment?.summary ?? [])
    .map((part) => part.text)
    .join('')
    .trim()
}

function firstSentence(text: string): string {
  return /^.*?[.:](?=\s|$)/s.exec(text)?.[0].replace(/:$/, '.') ?? text
}

function defaultOf(comment: Comment | undefined): string {
  const found = comment?.blockTags.find(({ tag }) => tag === '@default')
  return (found?.content ?? [])
    .map((part) => part.text.replace(/^```\w*\n(.*)\n```$/s, '$1'))
    .join('')
    .trim()
}
