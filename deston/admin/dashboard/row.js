// One server as a row of a table, changed in place.

import { h, mark, s, say, show } from "./dom.js";
import * as format from "./format.js";
import { trackOf } from "./history.js";
import { baseName } from "./judge.js";

const HEALTH = { up: "✓ up", down: "✕ down", unchecked: "? unchecked" };
const ADMIN = { ready: "ready", drain: "◐ drain", maint: "■ maint" };
const SPARK = { width: 72, height: 18, points: 60 };

export const COLUMNS = [
  ["Server", ""], ["State", ""], ["Health", ""], ["Weight", "number"], ["Active", "number"], ["Requests/s", "number"],
  ["Failures/s", "number"], ["Latency", "number"], ["In/s", "number"], ["Out/s", "number"], ["Actions", "hidden-head"],
];

/** A tiny line of the last minute. */
class Spark {
  constructor() {
    this.line = s("polyline", { fill: "none", class: "spark-line" });
    const { width, height } = SPARK;
    this.element = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "spark", "aria-hidden": "true" });
    this.element.append(this.line);
  }

  draw(all) {
    const values = all.slice(-SPARK.points);
    const most = Math.max(...values, 0.001);
    const step = SPARK.width / (SPARK.points - 1);
    const begin = SPARK.width - (values.length - 1) * step;
    const at = (value, place) =>
      `${(begin + place * step).toFixed(1)},${(SPARK.height - 1.5 - (value / most) * (SPARK.height - 3)).toFixed(1)}`;
    mark(this.line, "points", values.map(at).join(" "));
  }
}

/** A row; `change` is called with the name, the server and what to propose. */
export class Row {
  constructor(pool, name, change) {
    this.pool = pool;
    this.name = name;
    this.server = null;
    this.isVisible = true;
    this.spark = new Spark();
    this.share = h("span", { class: "share", "aria-hidden": "true" });
    this.requests = h("span", {});
    this.latency = h("span", {});
    this.address = h("span", { class: "address" });
    this.chips = h("span", { class: "chips" });
    this.backup = h("span", { class: "chip", title: "Serves when no other can" }, "backup");
    this.changed = h("span", { class: "chip", title: "Changed at run time; a reset drops it" }, "changed");
    this.admin = h("span", { class: "badge" });
    this.health = h("span", { class: "badge" });
    this.reason = h("span", { class: "reason" });
    this.weight = h("span", {});
    this.active = h("span", {});
    this.failures = h("span", {});
    this.in = h("span", {});
    this.out = h("span", {});
    const quick = (event) => change(this.name, event.currentTarget.proposed);
    this.toggle = h("button", { type: "button", class: "small", onclick: quick });
    this.more = h("button", { type: "button", class: "small", "aria-label": `Change ${name}`, onclick: () => change(this.name, null) }, "Change…");
    const link = h("a", { href: `#/pool/${encodeURIComponent(pool)}/${encodeURIComponent(name)}` }, name);
    const cells = [
      [link, this.backup, this.changed, this.address], [this.admin], [this.health, this.reason], [this.weight], [this.active],
      [this.share, this.requests], [this.failures], [this.spark.element, this.latency], [this.in], [this.out],
      [this.toggle, this.more],
    ];
    this.cells = cells.map((inside, place) => {
      const [label, kind] = COLUMNS[place];
      const tag = place === 0 ? "th" : "td";
      const role = place === 0 ? "rowheader" : "cell";
      return h(tag, { role, class: kind === "number" ? "number" : label.toLowerCase(), "data-label": label, scope: place === 0 ? "row" : null }, ...inside);
    });
    this.element = h("tr", { role: "row" }, ...this.cells);
    this.element.row = this;
  }

  /** Show a server; `most` is the highest rate in the pool. */
  update(server, most) {
    this.server = server;
    const track = trackOf(this.pool, this.name);
    const requests = track.now("requests");
    const failures = track.now("failures");
    mark(this.element, "data-tone", server.admin === "ready" ? server.health : server.admin);
    say(this.address, server.address);
    show(this.backup, server.backup);
    show(this.changed, server.changed);
    say(this.admin, ADMIN[server.admin]);
    mark(this.admin, "data-tone", server.admin);
    say(this.health, HEALTH[server.health]);
    mark(this.health, "data-tone", server.health);
    say(this.reason, server.health === "down" ? server.check.reason : "");
    say(this.weight, String(server.weight));
    say(this.active, format.whole(server.active));
    say(this.requests, format.rate(requests));
    const part = most > 0 && requests ? Math.round((requests / most) * 100) : 0;
    if (this.part !== part) this.share.style.width = `${(this.part = part)}%`;
    say(this.failures, format.rate(failures));
    mark(this.failures, "data-tone", failures > 0 ? "down" : "");
    say(this.latency, format.latency(server.latency_ms));
    this.spark.draw(track.latency);
    say(this.in, format.bytes(track.now("in")));
    say(this.out, format.bytes(track.now("out")));
    const proposed = server.admin === "ready" ? "drain" : "ready";
    this.toggle.proposed = proposed;
    say(this.toggle, proposed === "drain" ? "Drain…" : "Ready…");
    mark(this.toggle, "aria-label", `${proposed === "drain" ? "Drain" : "Ready"} ${baseName(this.name)}`);
  }

  matches(words) {
    const server = this.server;
    const text = `${this.pool} ${this.name} ${server.address} ${server.health} ${server.admin}`.toLowerCase();
    return words.every((word) => text.includes(word));
  }
}
