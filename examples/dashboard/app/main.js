const rows = document.querySelector('#jobs')
const state = document.querySelector('#state')

/** The newest jobs. The address is relative: it also leads to the API behind a path of a proxy. */
async function readJobs() {
  const response = await fetch('../api/v1/jobs?page=1&size=50')
  if (!response.ok) throw new Error(`The service answered ${response.status}`)
  return (await response.json()).items
}

function toRow({ id, type, submitted_at, status }) {
  const row = document.createElement('tr')
  for (const text of [id, type, submitted_at, status]) {
    const cell = document.createElement('td')
    // As text: what comes from elsewhere is never HTML.
    cell.textContent = text ?? ''
    row.append(cell)
  }
  return row
}

async function show() {
  try {
    const jobs = await readJobs()
    rows.replaceChildren(...jobs.map(toRow))
    state.textContent = jobs.length === 0 ? 'No jobs yet.' : ''
  } catch (error) {
    state.textContent = error.message
  }
  setTimeout(show, 2000)
}

show()
