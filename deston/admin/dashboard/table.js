// A pool as a section with a table; rows come, change in place, and go.

import { h, mark, say, show } from "./dom.js";
import * as format from "./format.js";
import { trackOf } from "./history.js";
import { tally } from "./judge.js";
import { COLUMNS, Row } from "./row.js";

// Rows out of sight are updated less often: every so many seconds.
const SELDOM = 5;

const sight = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const { row } = target;
      row.isVisible = isIntersecting;
      if (isIntersecting && row.late) row.late();
    }
  },
  { rootMargin: "200px" },
);

/** The section of one pool; `actions` has what its buttons call. */
export class PoolSection {
  constructor(name, actions, heading = "h2") {
    this.name = name;
    this.rows = new Map();
    this.ticks = 0;
    this.actions = actions;
    this.algorithm = h("span", { class: "chip" });
    this.sum = h("span", { class: "sum" });
    this.state = h("span", { class: "badge" });
    this.body = h("tbody", { role: "rowgroup" });
    const heads = COLUMNS.map(([label, kind]) =>
      h("th", { role: "columnheader", scope: "col", class: kind === "number" ? "number" : null },
        kind === "hidden-head" ? h("span", { class: "hidden" }, label) : label));
    const table = h("table", { role: "table" },
      h("caption", { class: "hidden" }, `Servers of pool ${name}`),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...heads)), this.body);
    const link = h("a", { href: `#/pool/${encodeURIComponent(name)}` }, name);
    const add = h("button", { type: "button", class: "small", onclick: () => actions.add(name) }, "Add server…");
    this.inside = h("div", {}, h("div", { class: "table" }, table), h("div", { class: "below" }, add));
    this.fold = h("button", { type: "button", class: "fold", "aria-label": `Servers of pool ${name}`, onclick: () => this.#toggle() });
    this.element = h("section", { class: "pool", "aria-label": `Pool ${name}` },
      h("div", { class: "head" }, this.fold, h(heading, {}, link), this.algorithm, this.state, this.sum), this.inside);
    this.unfold(localStorage.getItem(this.#key()) !== "closed");
  }

  /** Show the servers, or the head alone. */
  unfold(open) {
    this.isOpen = open;
    show(this.inside, open);
    mark(this.fold, "aria-expanded", String(open));
  }

  #toggle() {
    this.unfold(!this.isOpen);
    if (this.isOpen) localStorage.removeItem(this.#key());
    else localStorage.setItem(this.#key(), "closed");
  }

  #key() {
    return `deston.fold.${this.name}`;
  }

  update(pool, words) {
    const servers = Object.entries(pool.servers);
    const rates = servers.map(([name]) => trackOf(this.name, name).now("requests") ?? 0);
    const most = Math.max(...rates, 0);
    const counts = tally(Object.values(pool.servers));
    say(this.algorithm, pool.algorithm);
    say(this.state, `${counts.usable === 0 ? "✕ " : counts.down ? "! " : "✓ "}${counts.usable} of ${counts.all} usable`);
    mark(this.state, "data-tone", counts.usable === 0 ? "down" : counts.down ? "warn" : "up");
    const requests = rates.reduce((sum, one) => sum + one, 0);
    say(this.sum, `${format.rate(requests)} requests/s, ${format.whole(counts.active)} active`);
    const seldom = this.ticks++ % SELDOM === 0;
    this.#place(servers.map(([name]) => name));
    let shown = 0;
    for (const [name, server] of servers) {
      const row = this.rows.get(name);
      row.late = () => row.update(server, most);
      // A row that nobody has seen yet has no text by which it could be found.
      if (row.server === null || seldom || (row.isVisible && this.isOpen)) row.late();
      else row.server = server;
      const matches = !words.length || row.matches(words);
      show(row.element, matches);
      shown += matches;
    }
    show(this.element, shown > 0);
  }

  /** Have a row for each name and no others, in this order. */
  #place(names) {
    const wanted = new Set(names);
    for (const [name, row] of this.rows) {
      if (wanted.has(name)) continue;
      sight.unobserve(row.element);
      row.element.remove();
      this.rows.delete(name);
    }
    const fresh = document.createDocumentFragment();
    for (const name of names.filter((one) => !this.rows.has(one))) {
      const row = new Row(this.name, name, (server, proposed) => this.actions.change(this.name, server, proposed));
      this.rows.set(name, row);
      fresh.append(row.element);
      sight.observe(row.element);
    }
    this.body.append(fresh);
  }

  end() {
    for (const row of this.rows.values()) sight.unobserve(row.element);
  }
}
