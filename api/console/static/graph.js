// Draws a graph from left to right, laid out by dagre, and keeps the live nodes marked.
(() => {
  "use strict";

  const NS = "http://www.w3.org/2000/svg";
  const MARGIN = 16;
  const HEIGHT = 52;
  const PADDING = 18;
  const LIVE_MS = 2000;
  const SMALLEST = 0.75; // a larger drawing scrolls rather than becoming unreadable
  const STATES = ["done", "live", "waiting", "failed"];
  const SYMBOL = { done: "✓ done", live: "● live", waiting: "‖ waiting", failed: "✖ failed" };

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

  const mark = (node, state) => {
    node.classList.remove(...STATES);
    if (state) node.classList.add(state);
    const line = node.querySelector(".state");
    line.textContent = state ? SYMBOL[state] : line.dataset.note;
  };

  const draw = (place) => {
    const told = JSON.parse(place.dataset.drawing);
    const svg = make("svg", { role: "img", "aria-label": `Graph ${told.graph_id}` });
    place.replaceChildren(svg);
    const layout = new dagre.graphlib.Graph({ multigraph: true });
    layout.setGraph({ rankdir: "LR", nodesep: 22, ranksep: 46, marginx: MARGIN, marginy: MARGIN });
    layout.setDefaultEdgeLabel(() => ({}));
    for (const node of told.nodes) {
      const small = node.id === "__start__" || node.id === "__end__";
      const widest = Math.max(measure(svg, node.title, "title"), measure(svg, node.note || "", "state"), measure(svg, small ? "" : SYMBOL.waiting, "state"));
      layout.setNode(node.id, { width: widest + 2 * PADDING, height: small ? 36 : HEIGHT, node });
    }
    for (const [index, edge] of told.edges.entries()) {
      const label = edge.label ? { width: measure(svg, edge.label, "label") + 8, height: 16, labelpos: "c" } : {};
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
      const { x, y, width: wide, height: high, node } = layout.node(id);
      const group = make("g", { class: "node", "data-node": id, transform: `translate(${x} ${y})` }, svg);
      make("rect", { x: -wide / 2, y: -high / 2, width: wide, height: high, rx: high < HEIGHT ? high / 2 : 8 }, group);
      const second = high === HEIGHT;
      make("text", { class: "title", y: second ? -8 : 0 }, group, node.title);
      const line = make("text", { class: "state", y: 12 }, group);
      line.dataset.note = second ? node.note || "" : "";
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

  const follow = (place) => {
    const look = async () => {
      if (document.hidden) return;
      const answer = await fetch(place.dataset.live, { headers: { Accept: "application/json" } }).catch(() => null);
      if (!answer?.ok) return;
      const places = await answer.json();
      for (const node of place.querySelectorAll("[data-node]")) mark(node, places[node.dataset.node]);
    };
    setInterval(look, LIVE_MS);
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const place of document.querySelectorAll("[data-drawing]")) {
      draw(place);
      if (place.dataset.live) follow(place);
      (place.querySelector(".waiting, .failed, .live") ?? place.querySelector(".node"))?.scrollIntoView({ block: "nearest", inline: "center" });
      window.scrollTo(0, 0);
    }
  });
})();
