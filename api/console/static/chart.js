// Sizes over time: what there is, its dead part, and what there would be without pruning.
(() => {
  "use strict";

  const HEIGHT = 260;
  const APART = 80; // pixels between two moments written below
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

  // Moments in UTC, as everywhere on these pages: the day, the minute or the second, as the ticks are apart.
  const two = (number) => String(number).padStart(2, "0");
  const moment = (seconds, apart) => {
    const at = new Date(seconds * 1000);
    const day = `${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
    const minute = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
    if (apart >= 86400) return day;
    return apart >= 60 ? minute : `${minute}:${two(at.getUTCSeconds())}`;
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
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      axes: [{ ...axis, space: APART, values: (_, ticks, __, ___, apart) => ticks.map((tick) => moment(tick, apart)) }, { ...axis, size: 70, values: (_, ticks) => ticks.map(size) }],
      scales: { y: { range: (_, low, high) => [0, high * 1.1 || 1] } },
      series: [
        { label: "At", value: (_, seconds) => (seconds == null ? "–" : `${moment(seconds, 86400)} ${moment(seconds, 1)}`) },
        { label: "Size", stroke: accent, width: 2, points: { show: false }, fill: token("accent-wash"), value: (_, bytes) => size(bytes) },
        { label: "Dead part", stroke: token("bad"), width: 2, points: { show: false }, value: (_, bytes) => size(bytes) },
        { label: "Without pruning", stroke: token("warn"), width: 2, points: { show: false }, dash: [6, 4], value: (_, bytes) => size(bytes) },
      ],
    }, [told.at, told.size, told.dead, told.unpruned], place);
    new ResizeObserver(() => { if (place.clientWidth) chart.setSize({ width: place.clientWidth, height: HEIGHT }); }).observe(place);
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const place of document.querySelectorAll("[data-chart]")) draw(place);
  });
})();
