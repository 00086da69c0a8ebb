// Slipway's pages work without this file. With it they follow a run as it goes: parts of the page are replaced by the
// server's own HTML, log lines are appended, durations count on.
"use strict";
(() => {
  const keepLines = 5000; // what a page holds of a running log; "Load earlier" has the rest

  const words = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000)), m = Math.floor(s / 60), h = Math.floor(m / 60);
    if (s < 60) return `${s}s`;
    if (m < 60) return `${m}m ${s % 60}s`;
    if (h < 24) return `${h}h ${m % 60}m`;
    return `${Math.floor(h / 24)}d ${h % 24}h`;
  };
  // The visitor's clock may be wrong; durations count from the server's.
  let ahead = 0;
  const serverTime = (ms) => { if (ms) ahead = Date.now() - Number(ms); };
  serverTime(document.querySelector("[data-now]")?.dataset.now);
  const tick = () => {
    for (const e of document.querySelectorAll("[data-since]")) {
      const text = words(Date.now() - ahead - Number(e.dataset.since));
      if (e.textContent !== text) e.textContent = text;
    }
  };
  setInterval(tick, 1000);

  const parsed = (html) => {
    const t = document.createElement("template");
    t.innerHTML = html; // the server's own templates, escaped there; the CSP lets nothing in it run
    return t.content;
  };

  // A part keeps what a visitor opened and where the keyboard is.
  const replace = (name, html) => {
    const part = document.querySelector(`[data-part="${name}"]`);
    if (!part) return;
    const open = [...part.querySelectorAll("details")].map((d) => d.open);
    const links = [...part.querySelectorAll("a, summary")];
    const focus = links.indexOf(document.activeElement);
    part.replaceChildren(parsed(html));
    part.querySelectorAll("details").forEach((d, i) => { d.open = open[i] ?? d.open; });
    if (focus >= 0) [...part.querySelectorAll("a, summary")][focus]?.focus({ preventScroll: true });
    tick();
  };

  const atEnd = () => window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 60;

  const dropRepeatedSteps = (lines) => {
    let last = null;
    for (const head of lines.querySelectorAll(".step")) {
      if (last !== null && head.textContent === last) head.remove();
      else last = head.textContent;
    }
  };

  // A page left open over a long log lets go of its oldest lines; the link above brings them back.
  const trim = (lines) => {
    if (lines.childElementCount <= keepLines) return;
    while (lines.childElementCount > keepLines) lines.firstElementChild.remove();
    const first = lines.querySelector(".line");
    const number = Number(first.id.slice(1));
    const target = new URL(first.querySelector("a").href);
    target.searchParams.delete("line");
    target.searchParams.set("from", Math.max(1, number - 1000));
    target.hash = "log";
    let link = document.querySelector("[data-earlier]");
    if (!link) {
      const more = document.createElement("p");
      more.className = "more";
      link = document.createElement("a");
      link.dataset.earlier = "";
      more.append(link);
      lines.before(more);
    }
    link.href = target.href;
    link.textContent = `Load earlier: ${number - 1} lines above`;
  };

  const append = (html) => {
    const lines = document.querySelector("[data-lines]");
    if (!lines) return;
    const follow = atEnd() && lines.childElementCount > 0;
    document.querySelector("[data-empty]")?.remove();
    const last = Number(lines.lastElementChild?.id.slice(1)) || 0;
    const fresh = parsed(html);
    for (const line of fresh.querySelectorAll(".line")) if (Number(line.id.slice(1)) <= last) line.remove();
    const heads = lines.querySelectorAll(".step");
    const first = fresh.querySelector(".step");
    if (heads.length && first && first.textContent === heads[heads.length - 1].textContent) first.remove();
    lines.append(fresh);
    trim(lines);
    if (follow) window.scrollTo({ top: document.documentElement.scrollHeight });
  };

  const follow = (article) => {
    const note = article.querySelector("[data-live]");
    const say = (text) => { note.textContent = text; note.hidden = text === ""; };
    const source = new EventSource(article.dataset.events);
    source.addEventListener("open", () => say(""));
    source.addEventListener("state", (e) => {
      const state = JSON.parse(e.data);
      if (state.reload) { source.close(); location.reload(); return; }
      serverTime(state.now);
      document.title = `${state.title} · Slipway`;
      for (const [name, html] of Object.entries(state.parts ?? {})) replace(name, html);
    });
    source.addEventListener("log", (e) => append(JSON.parse(e.data).html));
    source.addEventListener("end", () => { source.close(); say(""); });
    source.addEventListener("error", () => {
      say("The connection was lost; trying again. What you see may be old.");
      if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 15000);
    });
  };

  const fetchPage = async (url) => {
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  };

  // Lists are loaded again while something on them is open and somebody looks.
  const poll = (part) => {
    setTimeout(async () => {
      if (document.hidden) { poll(part); return; }
      try {
        const next = (await fetchPage(location.href)).querySelector(`[data-part="${part.dataset.part}"]`);
        if (!next) return;
        part.replaceWith(next);
        if (next.dataset.poll) poll(next);
      } catch { poll(part); }
    }, 1000 * Number(part.dataset.poll));
  };

  const loadEarlier = async (link) => {
    const page = await fetchPage(link.href);
    const lines = document.querySelector("[data-lines]");
    const above = page.querySelector("[data-lines]");
    const first = Number(lines.querySelector(".line")?.id.slice(1));
    for (const line of above.querySelectorAll(".line")) if (Number(line.id.slice(1)) >= first) line.remove();
    const height = document.documentElement.scrollHeight;
    lines.prepend(...above.childNodes);
    dropRepeatedSteps(lines);
    window.scrollBy(0, document.documentElement.scrollHeight - height);
    const more = page.querySelector("[data-earlier]");
    if (more) { link.href = more.href; link.textContent = more.textContent; } else link.closest("p").remove();
  };
  document.addEventListener("click", (e) => {
    const link = e.target.closest?.("[data-earlier]");
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
    e.preventDefault();
    loadEarlier(link).catch(() => { location.href = link.href; });
  });

  // An address that names a stage by its anchor opens that stage.
  const hash = decodeURIComponent(location.hash.slice(1));
  if (hash.startsWith("stage-") && !new URLSearchParams(location.search).has("stage")) {
    const link = document.getElementById(hash)?.querySelector("th a");
    if (link && !link.hasAttribute("aria-current")) { location.replace(link.href); return; }
  }
  const article = document.querySelector("[data-events]");
  if (article) follow(article);
  for (const part of document.querySelectorAll("[data-poll]")) poll(part);
})();
