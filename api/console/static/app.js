// What the console does beyond plain pages and forms. Everything here is a convenience:
// without it each link is a page and each button a form.
(() => {
  "use strict";

  const YEAR = 365 * 24 * 3600; // seconds
  const HIGH_RISK_PRESS = 4000; // ms in which the second press has to come
  const remember = (name, value) => {
    document.cookie = `${name}=${value}; path=/; max-age=${YEAR}; samesite=lax`;
  };
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const review = () => $("[data-review]");

  // Theme: the system's until somebody chooses.
  $("#theme")?.addEventListener("click", () => {
    const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
      (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    remember("holdfast_theme", dark ? "light" : "dark");
  });

  // Keys. Single letters can be switched off (WCAG 2.1.4).
  const keysDialog = $("#keys-dialog");
  $("#keys")?.addEventListener("click", () => keysDialog.showModal());
  $("#shortcuts")?.addEventListener("change", (event) => {
    document.documentElement.classList.toggle("shortcuts-off", !event.target.checked);
    remember("holdfast_shortcuts", event.target.checked ? "on" : "off");
  });
  const typing = (element) => element.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
  const step = (by) => {
    const lines = $$("#queue li > a");
    const at = lines.findIndex((line) => line.getAttribute("aria-current") === "true");
    lines[Math.max(0, Math.min(lines.length - 1, at < 0 ? 0 : at + by))]?.click();
  };
  const actions = {
    j: () => step(1),
    k: () => step(-1),
    a: () => press("approve"),
    r: () => reject(),
    e: () => edit(),
    z: () => $("#toasts [data-key=z]")?.click(),
    "/": () => $("#queue input[type=search]")?.focus(),
    "?": () => keysDialog.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && typing(event.target)) { event.target.blur(); return; }
    if (document.documentElement.classList.contains("shortcuts-off")) return;
    if (typing(event.target) || keysDialog?.open) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  const press = (kind) => $(`#decision button[value=${kind}]`)?.click();
  const reject = () => {
    const message = $("#decision textarea[name=message]");
    if (message && !message.value.trim()) { message.focus(); hint(message, "Say why, then reject."); return; }
    press("reject");
  };
  const edit = () => {
    const details = $("#decision details.editing");
    if (!details) return;
    details.open = true;
    $("input:not([type=hidden]), select, textarea", details)?.focus();
  };
  const hint = (field, text) => {
    field.setAttribute("aria-description", text);
    field.placeholder = text;
  };

  // High risk takes two presses.
  let armed = null;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("#decision button[name=type]");
    if (!button || review()?.dataset.risk !== "high" || button.value === "reject") return;
    if (armed === button) { armed = null; return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    armed = button;
    const before = button.innerHTML;
    button.textContent = "High risk: press again";
    setTimeout(() => { if (button.isConnected) button.innerHTML = before; if (armed === button) armed = null; }, HIGH_RISK_PRESS);
  }, true);

  // Preset reasons.
  document.addEventListener("click", (event) => {
    const preset = event.target.closest("[data-reason]");
    const message = preset && $("#decision textarea[name=message]");
    if (!message) return;
    message.value = message.value.trim() ? `${message.value.trim()} ${preset.dataset.reason}` : preset.dataset.reason;
    message.dispatchEvent(new Event("input", { bubbles: true }));
    message.focus();
  });

  // Live difference between what was proposed and what is typed.
  document.addEventListener("input", (event) => {
    const field = event.target.closest(".field[data-was]");
    if (field) {
      const was = $(".was", field);
      const changed = event.target.value !== field.dataset.was;
      field.classList.toggle("changed", changed);
      was.hidden = !changed;
      was.textContent = changed ? `was ${field.dataset.was || "empty"}` : "";
    }
    keep();
  });

  // Drafts: what was typed survives updates, other reviews and a closed tab.
  const key = () => review() && `holdfast:draft:${review().dataset.review}`;
  const keep = () => {
    const form = $("#decision");
    if (!form || !key()) return;
    const typed = {};
    for (const input of $$("input:not([type=hidden]), textarea, select", form)) {
      const now = input.type === "checkbox" ? input.checked : input.value;
      const was = input.type === "checkbox" ? input.defaultChecked :
        input.tagName === "SELECT" ? [...input.options].find((o) => o.defaultSelected)?.value ?? input.options[0]?.value : input.defaultValue;
      if (now !== was) typed[input.name] = now;
    }
    if (Object.keys(typed).length) sessionStorage.setItem(key(), JSON.stringify(typed));
    else sessionStorage.removeItem(key());
  };
  const restore = () => {
    const kept = key() && sessionStorage.getItem(key());
    const form = $("#decision");
    if (!kept || !form) return;
    for (const [name, value] of Object.entries(JSON.parse(kept))) {
      const input = form.elements.namedItem(name);
      if (!input) continue;
      if (input.type === "checkbox") input.checked = value; else input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      const details = input.closest("details");
      if (details) details.open = true;
    }
  };
  const settled = () => { if (key() && review().dataset.state !== "open" && review().dataset.state !== "claimed") sessionStorage.removeItem(key()); };

  // Something happened somewhere: fetch the queue, leave what is being typed alone.
  let refresh = null;
  const refetch = () => {
    if (refresh) return;
    refresh = setTimeout(() => {
      refresh = null;
      const live = $("#live");
      if (!live) return;
      const query = live.dataset.query ? `${live.dataset.query}&` : "?";
      htmx.ajax("GET", `/console/reviews/queue${query}current=${review()?.dataset.review ?? ""}`, { target: "#queue", swap: "innerMorph" });
    }, 150);
  };
  for (const name of ["opened", "changed", "decided", "scheduled", "undone", "expired", "claimed", "released", "superseded", "cancelled", "resync"]) {
    document.addEventListener(name, (event) => { if (event.target.closest?.("#live")) refetch(); }, true);
  }

  const start = () => { restore(); settled(); $("#trouble")?.focus(); };
  document.addEventListener("htmx:after:swap", (event) => { if (event.target.id === "review" || $("#review")?.contains(event.target)) start(); });
  document.addEventListener("DOMContentLoaded", start);
})();
