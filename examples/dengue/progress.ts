/** Where progress is shown: standard output, or a stand-in. */
export interface Output {
  write(text: string): unknown
  isTTY?: boolean
  columns?: number
}

/** One line that says what is being done. On a terminal it is written over; elsewhere each step is a line. */
export function createProgress(output: Output) {
  const live = output.isTTY === true
  const clear = '\r\x1b[K'
  let step = ''

  function show(text: string) {
    output.write(clear + text.slice(0, Math.max(20, (output.columns || 80) - 1)))
  }

  return {
    /** Begins a step. */
    begin(title: string) {
      step = title
      if (live) show(`${step} …`)
      else output.write(`${step}\n`)
    },
    /** What the step is at. */
    at(detail: string) {
      if (live) show(`${step}: ${detail}`)
    },
    /** Takes the line away. */
    end() {
      if (live) output.write(clear)
    },
  }
}
