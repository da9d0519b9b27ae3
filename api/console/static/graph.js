// Draws a graph, laid out by dagre, keeps the live nodes marked, and opens what is known of a node.
(() => {
  "use strict";

  const NS = "http://www.w3.org/2000/svg";
  const MARGIN = 8;
  const HEIGHT = 46;
  const ROUND = 30; // height of start and end
  const PADDING = 12;
  const NARROW = 600; // pixels under which a drawing goes down rather than to the right
  const SMALLEST = 0.8; // a larger drawing scrolls rather than becoming unreadable
  const STATES = ["done", "live", "waiting", "failed"];
  const SYMBOL = { done: "✓", live: "● live", waiting: "‖ waiting", failed: "✖ failed" };

  const make = (name, attributes, parent, text) => {
    const element = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    parent?.append(element);
    return element;
  };

  const measure = (svg, text, kind) => {
    const probe = make("text", { class: kind }, svg, text);
    const width = probe.getComputedTextLength();
    probe.remove();
    return width;
  };

  const words = (state, note) => (state === "done" ? `${SYMBOL.done} ${note || "done"}` : SYMBOL[state] ?? note);
  const mark = (node, state) => {
    node.classList.remove(...STATES);
    if (state) node.classList.add(state);
    const line = node.querySelector(".state");
    line.textContent = words(state, line.dataset.note);
    node.querySelector(".title").setAttribute("y", line.textContent ? -7 : 0);
  };

  const draw = (place) => {
    const told = JSON.parse(place.dataset.drawing);
    const svg = make("svg", { role: "group", "aria-label": `Graph ${told.graph_id}` });
    place.replaceChildren(svg);
    const layout = new dagre.graphlib.Graph({ multigraph: true });
    const down = place.clientWidth < NARROW;
    layout.setGraph({ rankdir: down ? "TB" : "LR", nodesep: 14, edgesep: 8, ranksep: down ? 34 : 26 });
    layout.setDefaultEdgeLabel(() => ({}));
    for (const node of told.nodes) {
      const end = node.id === "__start__" || node.id === "__end__";
      const widest = Math.max(measure(svg, node.title, "title"), ...(end ? [] : [words(node.state, node.note), SYMBOL.waiting].map((text) => measure(svg, text, "state"))));
      layout.setNode(node.id, { width: widest + 2 * PADDING, height: end ? ROUND : HEIGHT, node, end });
    }
    for (const [index, edge] of told.edges.entries()) {
      const label = edge.label ? { width: measure(svg, edge.label, "label") + 6, height: 14, labelpos: "c" } : {};
      layout.setEdge(edge.from, edge.to, { ...label, edge }, String(index));
    }
    dagre.layout(layout);
    const definitions = make("defs", {}, svg);
    const arrow = make("marker", { id: "arrow", viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" }, definitions);
    make("path", { d: "M 0 0 L 10 5 L 0 10 z", class: "arrow" }, arrow);
    for (const key of layout.edges()) {
      const laid = layout.edge(key);
      const group = make("g", { class: `edge ${laid.edge.conditional ? "conditional" : ""}` }, svg);
      const [first, ...rest] = laid.points;
      let path = `M ${first.x} ${first.y}`;
      rest.forEach((point, index) => {
        const next = rest[index + 1];
        path += next ? ` Q ${point.x} ${point.y} ${(point.x + next.x) / 2} ${(point.y + next.y) / 2}` : ` L ${point.x} ${point.y}`;
      });
      make("path", { d: path, "marker-end": "url(#arrow)" }, group);
      if (laid.edge.label) make("text", { x: laid.x, y: laid.y }, group, laid.edge.label);
    }
    for (const id of layout.nodes()) {
      const { x, y, width: wide, height: high, node, end } = layout.node(id);
      const href = `${place.dataset.nodes}${encodeURIComponent(id)}${place.dataset.of}`;
      const holder = end ? svg : make("a", { href }, svg);
      const group = make("g", { class: "node", "data-node": id, transform: `translate(${x} ${y})` }, holder);
      make("rect", { x: -wide / 2, y: -high / 2, width: wide, height: high, rx: end ? high / 2 : 7 }, group);
      make("text", { class: "title" }, group, node.title);
      const line = make("text", { class: "state", y: 11 }, group);
      line.dataset.note = end ? "" : node.note || "";
      mark(group, node.state);
    }
    const drawn = svg.getBBox(); // a bent arrow may leave the place that was laid out for it
    const width = drawn.width + 2 * MARGIN;
    const height = drawn.height + 2 * MARGIN;
    const scale = Math.min(1, Math.max(SMALLEST, place.clientWidth / width));
    svg.setAttribute("viewBox", `${drawn.x - MARGIN} ${drawn.y - MARGIN} ${width} ${height}`);
    svg.setAttribute("width", width * scale);
    svg.setAttribute("height", height * scale);
  };

  // The server tells where threads are; a page in the background does not listen.
  const follow = (place) => {
    let source = null;
    let before = null;
    const hear = (event) => {
      const { places, heads } = JSON.parse(event.data);
      for (const node of place.querySelectorAll("[data-node]")) {
        const now = places[node.dataset.node];
        const passed = place.dataset.thread && (node.classList.contains("live") || node.classList.contains("waiting") || node.classList.contains("done"));
        mark(node, now ?? (passed ? "done" : undefined));
      }
      const moved = JSON.stringify([places, heads]);
      if (before !== null && before !== moved) refresh();
      before = moved;
    };
    const listen = () => {
      if (document.hidden) { source?.close(); source = null; return; }
      if (source) return;
      source = new EventSource(place.dataset.live);
      source.addEventListener("places", hear);
    };
    document.addEventListener("visibilitychange", listen);
    listen();
  };

  // What stands around the drawing is fetched anew when threads have moved.
  let fetching = false;
  let again = false;
  const refresh = async () => {
    if (fetching) { again = true; return; }
    fetching = true;
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-refresh]")) {
        const fresh = page.getElementById(part.id);
        if (fresh && !part.contains(document.activeElement)) part.replaceWith(fresh);
      }
    }
    fetching = false;
    if (again) { again = false; refresh(); }
  };

  // A node that is pressed opens below the drawing; without script its link is a page.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest(".drawing a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const panel = document.getElementById("node");
    for (const other of document.querySelectorAll(".drawing .node.chosen")) other.classList.remove("chosen");
    link.querySelector(".node").classList.add("chosen");
    panel.hidden = false;
    await htmx.ajax("GET", link.getAttribute("href"), { source: panel, target: "#node", swap: "innerHTML" });
    document.getElementById("node-title")?.focus({ preventScroll: true });
    panel.scrollIntoView({ block: "nearest" });
  });

  document.addEventListener("DOMContentLoaded", () => {
    for (const place of document.querySelectorAll("[data-drawing]")) {
      draw(place);
      follow(place);
      (place.querySelector(".waiting, .failed, .live") ?? place.querySelector(".node"))?.scrollIntoView({ block: "nearest", inline: "center" });
      window.scrollTo(0, 0);
    }
  });
})();
