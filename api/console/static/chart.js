// Sizes over time: what there is, its dead part, and what there would be without pruning.
(() => {
  "use strict";

  const HEIGHT = 260;
  const UNITS = ["B", "kB", "MB", "GB", "TB"];
  const size = (bytes) => {
    if (bytes == null) return "–";
    let unit = 0;
    while (Math.abs(bytes) >= 1000 && unit < UNITS.length - 1) { bytes /= 1000; unit += 1; }
    return `${bytes >= 100 || unit === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${UNITS[unit]}`;
  };
  const token = (name) => {
    const probe = document.createElement("span");
    probe.className = `ink-${name}`;
    document.body.append(probe);
    const color = getComputedStyle(probe).color;
    probe.remove();
    return color;
  };

  const draw = (place) => {
    const told = JSON.parse(place.dataset.chart);
    const axis = { stroke: token("quiet"), grid: { stroke: token("line"), width: 1 }, ticks: { stroke: token("line"), width: 1 }, font: "12px system-ui, sans-serif" };
    const accent = token("accent");
    const sweeps = {
      hooks: {
        draw: [(chart) => {
          const context = chart.ctx;
          context.save();
          context.fillStyle = token("good");
          for (const at of told.sweeps) {
            const x = chart.valToPos(at, "x", true);
            if (x < chart.bbox.left || x > chart.bbox.left + chart.bbox.width) continue;
            context.beginPath();
            context.arc(x, chart.bbox.top + chart.bbox.height, 4 * devicePixelRatio, 0, 2 * Math.PI);
            context.fill();
          }
          context.restore();
        }],
      },
    };
    place.replaceChildren();
    const chart = new uPlot({
      width: place.clientWidth,
      height: HEIGHT,
      plugins: [sweeps],
      axes: [axis, { ...axis, size: 70, values: (_, ticks) => ticks.map(size) }],
      scales: { y: { range: (_, low, high) => [0, high * 1.1 || 1] } },
      series: [
        { label: "At" },
        { label: "Size", stroke: accent, width: 2, fill: token("accent-wash"), value: (_, bytes) => size(bytes) },
        { label: "Dead part", stroke: token("bad"), width: 2, value: (_, bytes) => size(bytes) },
        { label: "Without pruning", stroke: token("warn"), width: 2, dash: [6, 4], value: (_, bytes) => size(bytes) },
      ],
    }, [told.at, told.size, told.dead, told.unpruned], place);
    new ResizeObserver(() => { if (place.clientWidth) chart.setSize({ width: place.clientWidth, height: HEIGHT }); }).observe(place);
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const place of document.querySelectorAll("[data-chart]")) draw(place);
  });
})();
