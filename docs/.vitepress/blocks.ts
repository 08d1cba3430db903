import type { MarkdownRenderer } from 'vitepress'
import { renderDiagram } from './mermaid.ts'

/** Draws diagrams, and shows above a block the name of the file that it is. */
export function drawBlocks(md: MarkdownRenderer): void {
  const fence = md.renderer.rules.fence
  md.renderer.rules.fence = (tokens, index, ...more) => {
    const token = tokens[index]
    const info = token?.info.trim() ?? ''
    if (info === 'mermaid')
      return `<div class="diagram">${renderDiagram(token?.content ?? '')}</div>\n`
    const block = fence?.(tokens, index, ...more) ?? ''
    const [, file] = /\bfile=(\S+)/.exec(info) ?? []
    if (file === undefined) return block
    return `<div class="named-block"><p class="file-name">${md.utils.escapeHtml(file)}</p>\n${block}</div>\n`
  }
}

/** Braces in pages are braces: no page is a template. */
export function plainBraces(md: MarkdownRenderer): void {
  for (const rule of ['text', 'code_inline'] as const) {
    const render = md.renderer.rules[rule]
    md.renderer.rules[rule] = (...all) => (render?.(...all) ?? '').replaceAll('{', '&#123;')
  }
}
