// Listeners: who comes, what they are answered, and why some are refused.

import { h, mark, say, show } from "./dom.js";
import * as format from "./format.js";
import { listenerTrackOf } from "./history.js";

const CLASSES = ["2xx", "3xx", "4xx", "5xx"];
const COLUMNS = ["Listener", "Leads to", "Open", "New/s", ...CLASSES.map((one) => `${one}/s`), "Refused"];

class Row {
  constructor(name) {
    this.name = name;
    this.address = h("span", { class: "address" });
    this.texts = COLUMNS.slice(1).map(() => h("span", {}));
    const cells = this.texts.map((text, place) =>
      h("td", { role: "cell", class: place === 0 || place === COLUMNS.length - 2 ? "wraps" : "number", "data-label": COLUMNS[place + 1] }, text));
    this.element = h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row" }, name, this.address), ...cells);
  }

  update(one) {
    const track = listenerTrackOf(this.name);
    const isHttp = one.protocol === "http";
    const answered = (kind) => (isHttp ? format.rate(track.now(kind)) : "");
    say(this.address, `${one.bind} ${one.protocol}`);
    const texts = [
      one.pool || "its routes", one.open === null ? "" : format.whole(one.open), format.rate(isHttp ? track.now("requests") : track.now("accepted")),
      ...CLASSES.map(answered), refusals(one.refused),
    ];
    texts.forEach((text, place) => say(this.texts[place], text));
    mark(this.texts[3 + CLASSES.length - 1], "data-tone", isHttp && track.now("5xx") > 0 ? "down" : "");
  }
}

/** How many were refused, the most frequent reasons first. */
function refusals(refused) {
  const found = Object.entries(refused).sort((a, b) => b[1] - a[1]);
  return found.map(([reason, count]) => `${reason} ${format.whole(count)}`).join(", ") || "none";
}

/** All listeners. */
export class Listeners {
  constructor() {
    this.rows = new Map();
    this.body = h("tbody", { role: "rowgroup" });
    const head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...COLUMNS.map((label, place) =>
      h("th", { role: "columnheader", scope: "col", class: place > 1 && place < COLUMNS.length - 1 ? "number" : "" }, label))));
    this.element = h("section", { class: "pool listeners" }, h("h2", {}, "Listeners"),
      h("div", { class: "table" }, h("table", { role: "table" }, head, this.body)));
  }

  update(listeners) {
    for (const [name, row] of this.rows) {
      if (listeners[name]) continue;
      row.element.remove();
      this.rows.delete(name);
    }
    for (const [name, one] of Object.entries(listeners)) {
      if (!this.rows.has(name)) {
        this.rows.set(name, new Row(name));
        this.body.append(this.rows.get(name).element);
      }
      this.rows.get(name).update(one);
    }
    show(this.element, this.rows.size > 0);
  }
}
