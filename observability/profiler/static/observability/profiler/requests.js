// Keep the list of requests up to date: fetch the same page again, and replace the rows that have changed.

const REFRESH_MS = 2000;
const table = document.getElementById("requests");
const live = document.getElementById("live");

live.closest("label").hidden = false;
live.addEventListener("change", () => live.checked && refresh());

async function refresh() {
  if (!live.checked || document.hidden) return;
  try {
    const response = await fetch(table.dataset.refresh, { headers: { Accept: "text/html" } });
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    show(page.getElementById("requests"));
  } catch {
    // The server is restarting. The next refresh will succeed.
  }
}

function show(newTable) {
  table.caption.replaceWith(newTable.caption);
  if (newTable.tHead && !table.tHead) table.tHead = newTable.tHead;
  const body = table.tBodies[0];
  let place = body.firstElementChild;
  for (const row of [...newTable.tBodies[0].rows]) {
    const known = document.getElementById(row.id);
    if (known === null) {
      body.insertBefore(row, place);
      continue;
    }
    if (known.dataset.state !== row.dataset.state) {
      const hasFocus = known.contains(document.activeElement);
      known.replaceChildren(...row.children);
      if (hasFocus) known.querySelector("a").focus({ preventScroll: true });
    }
    known.dataset.state = row.dataset.state;
    place = known.nextElementSibling;
  }
  while (place) {
    const next = place.nextElementSibling;
    place.remove();
    place = next;
  }
}

setInterval(refresh, REFRESH_MS);
document.addEventListener("visibilitychange", refresh);
