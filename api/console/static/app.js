// What the console does beyond plain pages and forms. Everything here is a convenience:
// without it each link is a page and each button a form.
(() => {
  "use strict";

  const YEAR = 365 * 24 * 3600; // seconds
  const ARMED_MS = 6000; // in which the second press of high risk has to come
  const TWITCH_MS = 350; // a second press sooner than this is the same press
  const FRESH_MS = 250; // a key so soon after another review appeared was meant for the one before
  const TOAST_MS = 8000;
  const REFETCH_MS = 150;
  const RECONNECT_MS = 2000;
  const EVENTS = [
    "opened", "reproposed", "claimed", "released", "delegated", "commented", "snoozed", "extended", "voted",
    "scheduled", "undone", "decided", "expired", "escalated", "cancelled", "superseded", "repaired", "resync",
  ];

  const root = document.documentElement;
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const review = () => $("[data-review]");
  const form = () => $("#decision");
  const remember = (name, value) => {
    document.cookie = `${name}=${value}; path=/; max-age=${YEAR}; samesite=lax`;
  };
  root.classList.add("script");

  // Theme: the system's until somebody chooses.
  $("#theme")?.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remember("holdfast_theme", root.dataset.theme);
  });

  // Keys. Single letters can be switched off (WCAG 2.1.4).
  const dialog = $("#keys-dialog");
  $("#keys")?.addEventListener("click", () => dialog.showModal());
  $("#shortcuts")?.addEventListener("change", (event) => {
    root.classList.toggle("shortcuts-off", !event.target.checked);
    remember("holdfast_shortcuts", event.target.checked ? "on" : "off");
  });

  const typing = (element) => element.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  const visible = (element) => element.offsetParent !== null;
  let shownAt = 0;
  let begun = null; // what Ctrl+Enter in a field sends
  let sending = null; // the request of a decision that has no answer yet
  let stepping = null; // the address of the review that a step leads to, until it is shown

  const step = (by) => {
    // Asking a line whether it is visible would lay out every one of a long queue.
    const lines = $$("#lines a").filter((line) => !line.closest(".fold:not([open])"));
    const at = lines.findIndex((line) => line.getAttribute("aria-current") === "true");
    const next = at < 0 ? lines[0] : lines[at + by];
    if (next) {
      // The mark moves at once, so that two quick presses are two steps.
      lines[at]?.removeAttribute("aria-current");
      next.setAttribute("aria-current", "true");
      stepping = next.getAttribute("href");
      next.click();
    } else if (by > 0) $("#queue .more a")?.click();
  };
  const press = (kind, { typed = false } = {}) => {
    if (!typed && performance.now() - shownAt < FRESH_MS) return;
    const button = $(`#decision button[name=type][value=${kind}]`);
    if (button && visible(button)) button.click();
  };
  const words = () => $("#decision textarea[name=message]");
  const say = (kind, hint) => {
    const message = words();
    if (!$(`#decision button[value=${kind}]`) || !message) return;
    if (message.value.trim()) { press(kind); return; }
    begun = kind;
    message.placeholder = `${hint} Then Ctrl+Enter.`;
    message.setAttribute("aria-description", message.placeholder);
    message.focus();
  };
  const edit = () => {
    const details = $("#decision details.editing");
    if (!details) return;
    details.open = true;
    begun = "edit";
    const first = $("input:not([type=hidden]), select, textarea", details);
    first?.focus();
    first?.select?.();
  };
  const actions = {
    j: () => step(1),
    k: () => step(-1),
    a: () => press(form()?.classList.contains("edited") ? "edit" : $("#decision button[value=approve]") ? "approve" : "answer"),
    r: () => say("reject", "Say why."),
    q: () => say("respond", "Say what you want to know."),
    e: edit,
    c: () => words()?.focus(),
    z: () => $("#toasts [data-key=z]")?.click(),
    "/": () => {
      const search = $("[data-key='/']");
      search?.closest("details")?.setAttribute("open", "");
      search?.focus();
    },
    "?": () => dialog.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    const inField = typing(event.target);
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && inField && form()?.contains(event.target)) {
      const kind = event.target.closest(".editing") ? "edit" : begun;
      if (kind) { event.preventDefault(); press(kind, { typed: true }); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || dialog?.open) return;
    if (event.key === "Escape" && inField) { event.target.blur(); return; }
    if (root.classList.contains("shortcuts-off") || inField) return;
    if (/^[1-9]$/.test(event.key)) {
      const preset = $$("[data-reason]")[Number(event.key) - 1];
      if (preset) { event.preventDefault(); begun = "reject"; preset.click(); }
      return;
    }
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    // The answer brings the next review by itself; what is pressed before was meant for this one.
    if (sending && !["z", "/", "?"].includes(event.key)) return;
    action();
  });

  // High risk takes two presses.
  let armed = null;
  const disarm = () => {
    if (armed?.button.isConnected) armed.button.innerHTML = armed.label;
    if (armed) clearTimeout(armed.timer);
    armed = null;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("#decision button[name=type]");
    if (!button || review()?.dataset.risk !== "high" || ["reject", "respond"].includes(button.value)) return;
    const sure = $("#decision input[name=sure]");
    if (sure.value === "yes") return;
    if (armed?.button === button) {
      if (performance.now() - armed.at < TWITCH_MS) { event.preventDefault(); event.stopImmediatePropagation(); return; }
      disarm();
      sure.value = "yes";
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    disarm();
    armed = { button, label: button.innerHTML, at: performance.now(), timer: setTimeout(disarm, ARMED_MS) };
    button.textContent = "High risk: press again";
  }, true);

  // Preset reasons, rows of a table, ticking all, copying.
  document.addEventListener("click", async (event) => {
    const at = (selector) => event.target.closest(selector);
    const preset = at("[data-reason]");
    if (preset && words()) {
      const message = words();
      message.value = message.value.trim() ? `${message.value.trim()}; ${preset.dataset.reason}` : preset.dataset.reason;
      message.dispatchEvent(new Event("input", { bubbles: true }));
      message.focus();
    } else if (at("[data-add-row]")) {
      $("input, select, textarea", addRow(at("fieldset.rows")))?.focus();
      changes();
    } else if (at("[data-remove-row]")) {
      const body = at("tbody");
      at("tr").remove();
      ($("[data-remove-row]", body) ?? $("[data-add-row]", body.closest("fieldset"))).focus();
      changes();
    } else if (at("[data-copy]")) {
      await navigator.clipboard.writeText($(at("[data-copy]").dataset.copy).textContent);
      tell("Copied");
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) { event.target.form.requestSubmit(); return; }
    const name = event.target.dataset?.all;
    if (name) for (const box of $$(`input[name=${name}]`)) box.checked = event.target.checked;
  });
  const INDEX = "/+/";
  const addRow = (rows, index) => {
    const template = $("template", rows);
    const body = $("tbody", rows);
    const used = $$("[name]", body).map((input) => Number(input.name.slice(start(rows).length).split("/")[0]));
    const number = index ?? Math.max(-1, ...used) + 1;
    const fragment = template.content.cloneNode(true);
    for (const input of $$("[name]", fragment)) {
      input.name = input.name.replace(INDEX, `/${number}/`);
      input.id = input.id.replace("-+-", `-${number}-`);
      input.setAttribute("aria-label", input.getAttribute("aria-label")?.replace("new", number + 1));
    }
    body.append(fragment);
    return body.lastElementChild;
  };
  const start = (rows) => {
    const sample = $("[name]", $("template", rows).content).name;
    return sample.slice(0, sample.indexOf(INDEX) + 1);
  };

  // Live difference between what was proposed and what is typed.
  const now = (input) => (input.type === "checkbox" ? (input.checked ? "yes" : "no") : input.value);
  const shown = (input, value) => (input.tagName === "SELECT" ? [...input.options].find((option) => option.value === value)?.text ?? value : value);
  const changes = () => {
    const place = $("#edits");
    if (!place) { keep(); return; }
    const lines = [];
    for (const input of $$("#decision .fields [data-was]")) {
      const changed = now(input) !== input.dataset.was.replaceAll("\r\n", "\n");
      const field = input.closest(".field, td");
      field.classList.toggle("changed", changed);
      const was = $(".was", field);
      if (was) { was.hidden = !changed; was.textContent = changed ? `was ${shown(input, input.dataset.was) || "empty"}` : ""; }
      if (changed) lines.push([input.dataset.title, shown(input, input.dataset.was), shown(input, now(input))]);
    }
    for (const rows of $$("#decision fieldset.rows")) {
      const kept = $$("tbody tr", rows).length;
      const first = Number(rows.dataset.count ??= kept);
      if (kept !== first) lines.push([$("legend", rows).textContent, `${first} rows`, `${kept} rows`]);
    }
    place.hidden = !lines.length;
    form().classList.toggle("edited", lines.length > 0 && Boolean($("#decision .editing")));
    $("ul", place).replaceChildren(...lines.map(([title, before, after]) => {
      const item = document.createElement("li");
      const parts = [["strong", title], ["del", before || "empty"], ["span", "→"], ["ins", after || "empty"]];
      item.append(...parts.flatMap(([name, text]) => { const part = document.createElement(name); part.textContent = text; return [part, " "]; }));
      return item;
    }));
    keep();
  };
  document.addEventListener("input", (event) => { if (form()?.contains(event.target)) changes(); });

  // Drafts: what was typed survives updates, other reviews and a reload.
  const key = () => review() && `holdfast:draft:${review().dataset.review}`;
  const untouched = (input) => {
    if (input.type === "checkbox" || input.type === "radio") return input.checked === input.defaultChecked;
    if (input.tagName === "SELECT") return input.value === ([...input.options].find((option) => option.defaultSelected) ?? input.options[0])?.value;
    return input.value === input.defaultValue;
  };
  const keep = () => {
    if (!form() || !key()) return;
    const typed = {};
    for (const input of $$("input:not([type=hidden]), textarea, select", form())) {
      if (!input.name || untouched(input) && !input.closest("tr")) continue;
      if (input.type === "radio") { if (input.checked) typed[input.name] = input.value; } else if (!untouched(input) || input.closest("tr")) typed[input.name] = now(input);
    }
    const rows = $$("fieldset.rows", form()).filter((one) => $("template", one));
    const changedRows = rows.filter((one) => $$("tbody tr", one).length !== Number(one.dataset.count)).map(start);
    const worth = Object.keys(typed).some((name) => { const input = form().elements.namedItem(name); return !(input instanceof Element) || !untouched(input) || input.type === "radio"; });
    if (worth || changedRows.length) sessionStorage.setItem(key(), JSON.stringify({ typed, rows: changedRows }));
    else sessionStorage.removeItem(key());
  };
  const restore = () => {
    for (const rows of $$("#decision fieldset.rows")) rows.dataset.count ??= $$("tbody tr", rows).length;
    const kept = key() && sessionStorage.getItem(key());
    if (!kept) return;
    if (!form() || !["open", "claimed"].includes(review().dataset.state)) { sessionStorage.removeItem(key()); return; }
    const { typed, rows } = JSON.parse(kept);
    for (const fieldset of $$("#decision fieldset.rows").filter((one) => $("template", one) && rows.includes(start(one)))) {
      const head = start(fieldset);
      const indices = new Set(Object.keys(typed).filter((name) => name.startsWith(head)).map((name) => Number(name.slice(head.length).split("/")[0])));
      const present = new Map($$("tbody tr", fieldset).map((row) => [Number($("[name]", row).name.slice(head.length).split("/")[0]), row]));
      for (const [index, row] of present) if (!indices.has(index)) row.remove();
      for (const index of indices) if (!present.has(index)) addRow(fieldset, index);
    }
    for (const [name, value] of Object.entries(typed)) {
      const found = form().elements.namedItem(name);
      if (!found) continue;
      if (found instanceof RadioNodeList) { found.value = value; continue; }
      if (found.type === "checkbox") found.checked = value === "yes"; else if (found.value !== value) found.value = value;
      if (!untouched(found)) { const details = found.closest("details"); if (details) details.open = true; }
    }
    changes();
  };

  // Something happened somewhere: fetch the queue, leave what is being typed alone.
  let waiting = null;
  let busy = false;
  let again = false;
  const onScreen = () => {
    const open = review();
    return open ? [["current", open.dataset.review], ["version", open.dataset.version], ["state", open.dataset.state]] : [];
  };
  const refetch = () => {
    if (busy) { again = true; return; }
    waiting ??= setTimeout(fetchQueue, REFETCH_MS);
  };
  const fetchQueue = async () => {
    waiting = null;
    const live = $("#live");
    if (!live) return;
    const query = new URLSearchParams(live.dataset.query);
    for (const [name, value] of onScreen()) query.set(name, value);
    busy = true;
    try {
      // Not from the element of the stream: requests of one element wait for each other.
      await htmx.ajax("GET", `/console/reviews/queue?${query}`, { source: "#queue", target: "#queue", swap: "none" });
    } finally {
      busy = false;
      if (again) { again = false; refetch(); }
    }
  };
  // Nothing is taken from under a finger: a link that is replaced while it is pressed is not clicked.
  let pressed = false;
  document.addEventListener("pointerdown", () => { pressed = true; }, true);
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => { pressed = false; }, true);

  // An answer about a review that is not on screen any more would be read as news of the one that is.
  document.addEventListener("htmx:before:swap", (event) => {
    const { action } = event.detail.ctx.request;
    if (!action.startsWith("/console/reviews/queue?")) return;
    const asked = new URLSearchParams(action.split("?")[1]);
    const same = asked.has("current") === Boolean(review()) && onScreen().every(([name, value]) => asked.get(name) === value);
    if (same && !sending && !pressed) return;
    event.preventDefault();
    refetch();
  });
  for (const name of EVENTS) {
    document.addEventListener(name, (event) => { if (event.target.closest?.("#live")) refetch(); }, true);
  }

  // What just happened, and how long it can be taken back.
  const toasts = $("#toasts");
  const tell = (text) => {
    const toast = document.createElement("div");
    toast.className = "toast";
    toast.textContent = text;
    toasts.replaceChildren(toast);
  };
  const watch = (toast) => {
    const end = performance.now() + (Number(toast.dataset.seconds) * 1000 || TOAST_MS);
    const seconds = $(".seconds", toast);
    const tick = () => {
      const left = end - performance.now();
      if (!toast.isConnected) return;
      if (left <= 0 && !toast.contains(document.activeElement)) { toast.remove(); return; }
      if (seconds) seconds.textContent = `${Math.max(0, Math.ceil(left / 1000))} s`;
      setTimeout(tick, 200);
    };
    tick();
  };
  new MutationObserver(() => { for (const toast of $$(".toast:not([data-watched])", toasts)) { toast.dataset.watched = ""; watch(toast); } }).observe(toasts, { childList: true });

  document.addEventListener("htmx:before:request", (event) => {
    if (event.target === form()) sending = event.detail.ctx;
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx === sending) sending = null;
    if (ctx.request.action === stepping) stepping = null;
  });

  // The server is away: say so, and keep what was typed. What it refuses comes as words of its own.
  const lost = $("#lost");
  const complain = (event, words) => {
    if (event.target === $("#live")) { // the queue is fetched again by itself
      if (event.detail.ctx?.request.action.includes("/reviews/events")) reconnect();
      return;
    }
    tell(words);
    toasts.firstElementChild.classList.add("bad");
  };
  document.addEventListener("htmx:error", (event) => complain(event, "Not done: the server does not answer. What you typed is still here; try again."));
  document.addEventListener("htmx:response:error", (event) => {
    if (event.detail.ctx.response.status >= 500) complain(event, "Not done: the server failed. What you typed is still here; its log has the details.");
  });
  // A stream that broke comes back by itself; one that never began does not.
  const reconnect = () => {
    if (lost) lost.hidden = false;
    setTimeout(() => htmx.trigger($("#live"), "connect"), RECONNECT_MS);
  };
  document.addEventListener("htmx:sse:error", () => { if (lost) lost.hidden = false; });
  document.addEventListener("htmx:sse:after:connection", () => { if (lost && !lost.hidden) { lost.hidden = true; refetch(); } });

  // Countdowns, by the server's clock.
  const skew = Date.parse(root.dataset.now) - Date.now();
  const length = (seconds) => {
    if (seconds < 60) return `${Math.round(seconds)} s`;
    if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
    return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
  };
  const countdown = () => {
    for (const time of $$("time.left[datetime]")) {
      if (!time.dateTime) continue;
      const left = (Date.parse(time.dateTime) - Date.now() - skew) / 1000;
      const text = left > 0 ? `${length(left)} left` : `${length(-left)} late`;
      if (time.textContent !== text) time.textContent = text;
      time.classList.toggle("late", left <= 0);
      time.classList.toggle("soon", left > 0 && left < 3600);
    }
  };
  setInterval(countdown, 1000);

  // After a swap: drafts back, focus where reading goes on.
  const opened = new Set();
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.(".fold")) opened[event.target.open ? "add" : "delete"](event.target.id);
  }, true);
  const present = ({ swapped }) => {
    if (swapped) $("#live").dataset.at = "review"; // on a phone the review takes the queue's place
    begun = null;
    disarm();
    shownAt = performance.now();
    restore();
    countdown();
    const trouble = $("#trouble");
    const invalid = $("#decision [aria-invalid]");
    if (invalid) invalid.focus();
    else if (trouble) trouble.focus();
    else if (swapped) {
      $("#review-title")?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    document.title = `${$("#review-title")?.textContent ?? "Reviews"} · Holdfast`;
  };
  document.addEventListener("htmx:after:swap", () => {
    const article = $("#review > *");
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    const line = stepping ? $(`#lines a[href="${CSS.escape(stepping)}"]`) : review() && $(`#line-${CSS.escape(review().dataset.review)} > a`);
    for (const other of $$("#lines [aria-current]")) if (other !== line) other.removeAttribute("aria-current");
    line?.setAttribute("aria-current", "true");
    line?.scrollIntoView({ block: "nearest" });
    const count = $("#waiting-count");
    if (count) count.hidden = count.textContent.trim() === "0";
    if (article && !article.dataset.presented) { article.dataset.presented = "yes"; present({ swapped: true }); }
  });
  const begin = () => {
    const screen = $(".bar [aria-current=page]");
    if (screen) screen.parentElement.scrollLeft = screen.offsetLeft - screen.parentElement.offsetLeft - 16;
    for (const toast of $$(".toast", toasts)) { toast.dataset.watched = ""; watch(toast); }
    const article = $("#review > *");
    if (article) { article.dataset.presented = "yes"; present({ swapped: false }); }
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
