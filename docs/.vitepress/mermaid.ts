import { renderMermaidSVG } from 'beautiful-mermaid'

const labels: Readonly<Record<string, string>> = {
  sequenceDiagram: 'Sequence diagram',
  flowchart: 'Flow chart',
  stateDiagram: 'State diagram',
}

/**
 * A diagram as SVG, drawn when the site is built: readers load no library. Its colours are variables of `theme/style.css`,
 * so that they are those of the page, dark or light. Throws when the text is no diagram.
 */
export function renderDiagram(text: string): string {
  const [, name = ''] = /^\s*(\w+)/.exec(text) ?? []
  return (
    renderMermaidSVG(text, { padding: 24 })
      // Its styles would fetch a font from elsewhere, and Vue takes style elements out of pages that it hydrates.
      .replace(/<style>.*?<\/style>\n?/s, '')
      .replace(/(<svg [^>]*?) style="[^"]*"/, '$1')
      .replace('<svg ', `<svg role="img" aria-label="${labels[name] ?? 'Diagram'}" `)
  )
}
