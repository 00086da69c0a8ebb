// Replaces the live parts of the page when something has changed; what the reader opened or is typing stays.
(() => {
  let busy = false, again = false;
  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
      if (!answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const now of document.querySelectorAll("[data-live]")) {
        const fresh = next.getElementById(now.id);
        if (!fresh || fresh.innerHTML === now.dataset.seen) continue;
        const seen = fresh.innerHTML;
        const open = new Set([...now.querySelectorAll("details[id][open]")].map(d => d.id));
        const closed = new Set([...now.querySelectorAll("details[id]:not([open])")].map(d => d.id));
        for (const d of fresh.querySelectorAll("details[id]")) {
          if (open.has(d.id)) d.open = true; else if (closed.has(d.id)) d.open = false;
        }
        now.innerHTML = fresh.innerHTML;
        now.dataset.seen = seen;
      }
    } finally {
      busy = false;
      if (again) { again = false; setTimeout(refresh, 300); }
    }
  }
  new EventSource("/-/events").onmessage = refresh;
})();
