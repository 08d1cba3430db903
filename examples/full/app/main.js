const state = document.querySelector('#state')
const table = document.querySelector('table')

/** All reports. The key stays in this page: it is sent, and kept nowhere. */
async function readReports(key) {
  const response = await fetch('../api/v1/reports', { headers: { 'X-API-Key': key } })
  if (response.status === 401) throw new Error('The service knows no such key.')
  if (!response.ok) throw new Error(`The service answered ${response.status}.`)
  return response.json()
}

function newestOf(reports) {
  const newest = new Map()
  for (const report of reports) {
    const known = newest.get(report.district)
    if (!known || report.month > known.month) newest.set(report.district, report)
  }
  return [...newest.values()].sort((a, b) => a.district.localeCompare(b.district))
}

function toRow({ district, month, cases }) {
  const row = document.createElement('tr')
  for (const text of [district, month, cases]) {
    const cell = document.createElement('td')
    // As text: what comes from elsewhere is never HTML.
    cell.textContent = String(text)
    row.append(cell)
  }
  return row
}

document.querySelector('#ask').addEventListener('submit', async (event) => {
  event.preventDefault()
  try {
    const reports = await readReports(document.querySelector('#key').value)
    document.querySelector('#reports').replaceChildren(...newestOf(reports).map(toRow))
    table.hidden = reports.length === 0
    state.textContent = reports.length === 0 ? 'No reports yet.' : ''
  } catch (error) {
    state.textContent = error.message
  }
})
