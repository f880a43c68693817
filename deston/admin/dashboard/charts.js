// Charts over time, by uPlot.

import uPlot from "./vendor/uPlot.esm.js";
import { h } from "./dom.js";
import { colour } from "./theme.js";

export const MOST_LINES = 8;
const HEIGHT = 180;

/** A chart with a caption; `lines` are labels, `format` writes a value. */
export class Chart {
  constructor(title, lines, format, tones = []) {
    this.lines = lines;
    this.format = format;
    this.tones = tones;
    this.box = h("div", { class: "plot" });
    this.element = h("figure", { class: "chart" }, h("figcaption", {}, title), this.box);
    this.plot = null;
    this.size = new ResizeObserver(() => this.plot?.setSize(this.#size()));
    this.size.observe(this.box);
  }

  #size() {
    return { width: Math.max(200, this.box.clientWidth), height: HEIGHT };
  }

  /** Draw: times in seconds, and the values of each line. */
  draw(times, values) {
    const data = [times, ...values];
    if (this.plot) {
      this.plot.setData(data);
      // Where no pointer says otherwise, the legend tells the latest values.
      if (this.plot.cursor.idx === null || this.plot.cursor.left < 0) this.plot.setLegend({ idx: times.length - 1 });
    }
    else if (times.length > 1 && this.box.isConnected) this.plot = new uPlot(this.#options(), data, this.box);
  }

  /** Drop what is drawn, so that it is drawn anew in other colours. */
  forget() {
    this.plot?.destroy();
    this.plot = null;
  }

  end() {
    this.size.disconnect();
    this.forget();
  }

  #options() {
    const axis = { stroke: colour("dim"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const values = (_, value) => (value === null || value === undefined ? "–" : this.format(value));
    const font = "12px system-ui, sans-serif";
    return {
      ...this.#size(),
      legend: { live: true },
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.1, 0.001)] } },
      axes: [
        { ...axis, font, space: 90, values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toLocaleTimeString("en-GB")) },
        { ...axis, font, size: 62, values: (_, ticks) => ticks.map((one) => (one === 0 ? "0" : this.format(one))) },
      ],
      series: [
        { label: "at", value: "{HH}:{mm}:{ss}" },
        ...this.lines.map((label, place) => ({
          label,
          value: values,
          stroke: colour(this.tones[place] ?? `line-${place + 1}`),
          width: 1.75,
          points: { show: false },
        })),
      ],
    };
  }
}
