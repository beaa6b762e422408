// The console in the browser: keeps the page live, and makes its forms and links quicker. All of it works without.
"use strict";

const $ = (id) => document.getElementById(id);
let stream = null;

/* Live: the page's own address answers with whatever changes of its parts. */

function follow() {
  stream?.close();
  stream = new EventSource(location.pathname + location.search);
  stream.addEventListener("part", (event) => replace(JSON.parse(event.data)));
  stream.addEventListener("whole", () => show("live", "live"));
  stream.addEventListener("error", () => {
    show("lost", "connection lost, trying again");
    // A browser comes back by itself, but not after an answer that is no stream: of a local cloud that has just begun.
    if (stream.readyState === EventSource.CLOSED) setTimeout(follow, 500);
  });
}

function show(state, words) {
  const live = $("live");
  if (live.dataset.state === state) return;
  live.dataset.state = state;
  live.textContent = words;
}

function replace({ id, hash, html }) {
  const part = $(id);
  if (!part || part.dataset.hash === hash) return;
  const kept = keep(part);
  part.innerHTML = html;
  part.dataset.hash = hash;
  restore(part, kept);
  enliven(part);
}

// What a person has done to a part: what is written, opened, scrolled and in focus.
function keep(part) {
  const named = [...part.querySelectorAll("[id]")];
  const inputs = named.filter((one) => "defaultValue" in one || one.tagName === "SELECT");
  const focus = part.contains(document.activeElement) ? document.activeElement : null;
  return {
    values: inputs.filter(isDirty).map((one) => [one.id, one.value]),
    open: named.filter((one) => one.tagName === "DETAILS").map((one) => [one.id, one.open]),
    scrolled: named.filter((one) => one.scrollTop > 0 || one.scrollLeft > 0).map((one) => [one.id, one.scrollTop, one.scrollLeft]),
    tails: [...part.querySelectorAll("[data-tail]")].map(isAtEnd),
    focus: focus && (focus.id || focus.getAttribute("href")),
    selection: focus && "selectionStart" in focus ? [focus.selectionStart, focus.selectionEnd] : null,
  };
}

function isDirty(input) {
  if (input.tagName !== "SELECT") return input.value !== input.defaultValue;
  return [...input.options].some((option) => option.selected !== option.defaultSelected);
}

const isAtEnd = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 30;

function restore(part, kept) {
  const inside = (id) => part.querySelector("#" + CSS.escape(id));
  for (const [id, value] of kept.values) if (inside(id)) inside(id).value = value;
  for (const [id, open] of kept.open) if (inside(id)) inside(id).open = open;
  for (const [id, top, left] of kept.scrolled) inside(id)?.scrollTo(left, top);
  part.querySelectorAll("[data-tail]").forEach((log, index) => {
    if (kept.tails[index] ?? true) log.scrollTop = log.scrollHeight;
  });
  if (!kept.focus) return;
  const again = inside(kept.focus) ?? part.querySelector(`a[href="${CSS.escape(kept.focus)}"]`);
  again?.focus({ preventScroll: true });
  if (again && kept.selection?.[0] != null) again.setSelectionRange(...kept.selection);
}

/* What only a script can do. */

function enliven(root) {
  root.querySelectorAll("[data-copy], [data-copy-of], [data-fill]").forEach((button) => (button.hidden = false));
  root.querySelectorAll("time").forEach((time) => {
    const at = new Date(time.dateTime);
    time.title = time.dateTime;
    time.textContent = at.toDateString() === new Date().toDateString() ? at.toLocaleTimeString() : at.toLocaleString();
  });
  count(root);
}

// Times that grow.
function count(root) {
  root.querySelectorAll("[data-since]").forEach((span) => {
    span.textContent = lasted((Date.now() - Number(span.dataset.since)) / 1000);
  });
}

function lasted(seconds) {
  if (seconds < 0) return "0.0 s";
  if (seconds < 100) return seconds.toFixed(1) + " s";
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds / 60) % 60)} min`;
}

// A link to the same page with another choice: only the parts that differ are fetched.
function choose(address) {
  history.pushState(null, "", address);
  follow();
}

document.addEventListener("click", async (event) => {
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  const link = event.target.closest("a[data-soft]");
  if (link && plain && link.pathname === location.pathname) {
    event.preventDefault();
    return choose(link.href);
  }
  const state = event.target.closest(".execution .graph [data-state]");
  if (state && plain) return choose("?state=" + encodeURIComponent(state.dataset.state));
  const button = event.target.closest("button");
  if (button?.dataset.copy != null || button?.dataset.copyOf) {
    const text = button.dataset.copyOf ? $(button.dataset.copyOf).textContent : button.dataset.copy;
    await navigator.clipboard.writeText(text);
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1500);
  }
  if (button?.dataset.fill) {
    $(button.dataset.fill).value = button.dataset.text;
    $(button.dataset.fill).dispatchEvent(new Event("input", { bubbles: true }));
  }
});

window.addEventListener("popstate", follow);

/* The start form: the fields and the JSON are two views of one input; the server tells what is wrong with it. */

document.addEventListener("input", (event) => {
  const form = event.target.closest("form.start");
  if (!form) return;
  const input = form.elements.input;
  if (event.target.dataset.pointer) write(form, event.target);
  else if (event.target === input) read(form);
  else return;
  clearTimeout(form.checking);
  form.checking = setTimeout(() => check(form), 200);
});

function parsed(form) {
  try {
    return JSON.parse(form.elements.input.value);
  } catch {
    return undefined;
  }
}

const steps = (pointer) => pointer.split("/").slice(1).map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));

function write(form, field) {
  const document = parsed(form);
  if (typeof document !== "object" || document === null) return;
  const path = steps(field.dataset.pointer);
  const last = path.pop();
  let place = document;
  for (const step of path) place = place[step] ??= {};
  if (field.value === "" && field.dataset.kind !== "text") delete place[last];
  else if (field.dataset.kind === "text") place[last] = field.value;
  else place[last] = JSON.parse(field.value);
  form.elements.input.value = JSON.stringify(document, null, 2);
}

function read(form) {
  const document = parsed(form);
  if (document === undefined) return;
  form.querySelectorAll("[data-pointer]").forEach((field) => {
    const value = steps(field.dataset.pointer).reduce((place, step) => place?.[step], document);
    const text = typeof value === "string" && field.dataset.kind !== "json" ? value : JSON.stringify(value);
    field.value = value === undefined ? "" : text;
  });
}

async function check(form) {
  const answer = await fetch(form.dataset.check, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (answer.ok) $("start-problems").innerHTML = await answer.text();
}

// Ctrl+Enter sends the form that is being written.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.closest?.("form")?.requestSubmit();
});

enliven(document);
setInterval(() => count(document), 100);
if (document.querySelector(".part") && !document.body.classList.contains("notice")) follow();
else $("live").hidden = true;
