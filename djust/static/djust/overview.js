// Draws the charts of the overview with Chart.js from the figures that the page brings along. Whatever goes wrong here,
// the tables of figures below the charts stay.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("djust-drawing").textContent);
  const tables = document.querySelectorAll(".djust-figures-of");
  const charts = [];

  // What the page's own theme says, so that the charts follow it.
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    return {
      first: read("--djust-first"), second: read("--djust-second"), area: read("--djust-area"),
      bar: read("--djust-first-bar"), text: read("--body-fg"), quiet: read("--body-quiet-color"),
      grid: read("--hairline-color"), ground: read("--body-bg"),
    };
  };

  const number = new Intl.NumberFormat(document.documentElement.lang || undefined, { maximumFractionDigits: 1 });

  // Apart by more than their colour: filled, dashed, dotted; of two sets of bars the second is narrower and darker.
  const looks = {
    area: (c) => ({ type: "line", borderColor: c.first, backgroundColor: c.area, fill: "origin" }),
    limit: (c) => ({ type: "line", borderColor: c.second, backgroundColor: c.second, borderDash: [7, 4], stepped: "before" }),
    line: (c) => ({ type: "line", borderColor: c.second, backgroundColor: c.second, borderDash: [2, 3] }),
    bar: (c, n) => ({
      type: "bar", grouped: false, minBarLength: 3,
      borderWidth: 0, backgroundColor: n === 0 ? c.bar : c.second, borderColor: n === 0 ? c.first : c.second,
    }),
  };

  // A point with nothing on either side would be no line: it is drawn as a point.
  const radius = (points, column) => points.map((row, at) => (
    row[column] !== null && (points[at - 1]?.[column] ?? null) === null && (points[at + 1]?.[column] ?? null) === null ? 3 : 0
  ));

  // A single bar among hundreds can still be seen.
  const thickness = (plot) => Math.max(3, 0.85 * plot.clientWidth * data.step / (data.end - data.start));

  const dataset = (chart, series, n, c, plot) => ({
    label: series.name,
    data: chart.points.map((row) => ({ x: row[0], y: series.look === "bar" ? row[n + 2] || null : row[n + 2] })),
    borderWidth: 2,
    pointRadius: radius(chart.points, n + 2),
    pointHitRadius: 8,
    pointHoverRadius: 4,
    spanGaps: false,
    order: -n,
    barThickness: n === 0 ? thickness(plot) : Math.max(2, 0.6 * thickness(plot)),
    ...looks[series.look](c, n),
  });

  const options = (chart, c) => {
    const unit = chart.unit ? ` ${chart.unit}` : "";
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      scales: {
        x: {
          type: "linear",
          min: data.start,
          max: data.end,
          offset: false,
          afterBuildTicks: (axis) => { axis.ticks = data.marks.map(([value]) => ({ value })); },
          ticks: {
            color: c.quiet, maxRotation: 0, autoSkip: true, autoSkipPadding: 12,
            callback: (value) => (data.marks.find((mark) => mark[0] === value) ?? ["", ""])[1],
          },
          grid: { color: c.grid },
          border: { color: c.grid },
        },
        y: {
          beginAtZero: true,
          suggestedMax: 1,
          grace: "5%",
          ticks: { color: c.quiet, precision: 0, maxTicksLimit: 6, callback: (value) => number.format(value) + unit },
          grid: { color: c.grid },
          border: { display: false },
        },
      },
      plugins: {
        legend: {
          align: "start",
          labels: {
            color: c.text, usePointStyle: true, pointStyleWidth: 22, boxHeight: 7, padding: 14,
            generateLabels: (drawn) => window.Chart.defaults.plugins.legend.labels.generateLabels(drawn).map((label) => {
              const { borderDash } = drawn.data.datasets[label.datasetIndex];
              return { ...label, lineDash: borderDash, pointStyle: borderDash ? "line" : "rect" };
            }),
            sort: (one, other) => one.datasetIndex - other.datasetIndex,
          },
        },
        tooltip: {
          backgroundColor: c.ground, titleColor: c.text, bodyColor: c.text, borderColor: c.quiet, borderWidth: 1,
          filter: (item) => item.parsed.y !== null,
          callbacks: {
            title: ([item]) => (item ? chart.points[item.dataIndex][1] : ""),
            label: (item) => ` ${item.dataset.label}: ${number.format(item.parsed.y)}${unit}`,
          },
        },
      },
    };
  };

  const draw = () => {
    if (!window.Chart) {
      tables.forEach((table) => { table.open = true; });
      return;
    }
    const c = colours();
    window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    for (const chart of data.charts) {
      const plot = document.querySelector(`.djust-plot[data-chart="${chart.name}"]`);
      plot.hidden = false;
      const drawn = new window.Chart(plot.querySelector("canvas"), {
        data: { datasets: chart.series.map((series, n) => dataset(chart, series, n, c, plot)) },
        options: options(chart, c),
      });
      charts.push([chart, drawn]);
    }
    document.documentElement.dataset.djustDrawn = "yes";
  };

  const recolour = () => {
    const c = colours();
    for (const [chart, drawn] of charts) {
      chart.series.forEach((series, n) => Object.assign(drawn.data.datasets[n], looks[series.look](c, n)));
      drawn.options = options(chart, c);
      drawn.update("none");
    }
  };

  tables.forEach((table) => { table.open = false; });
  document.querySelectorAll(".djust-plot").forEach((plot) => { plot.hidden = false; });
  document.addEventListener("DOMContentLoaded", draw);
  new MutationObserver(recolour).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
})();
