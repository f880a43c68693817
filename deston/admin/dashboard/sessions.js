// What is open with a server: asked for every other second while its page is looked at, the oldest first.

import * as api from "./api.js";
import { h, say, show } from "./dom.js";
import * as format from "./format.js";

const EACH = 2000;
const MOST = 50;
const COLUMNS = [["Client"], ["Kind"], ["Age", "number"], ["From client", "number"], ["To client", "number"], ["About"]];

/** A row; what changes of a session is its age and its bytes. */
class Row {
  constructor(one, end) {
    this.cells = COLUMNS.map(([label, kind], place) =>
      place === 0 ? h("th", { role: "rowheader", scope: "row" }) : h("td", { role: "cell", class: kind, "data-label": label }));
    const button = h("button", { type: "button", class: "small", "aria-label": `End ${one.id}`, onclick: end }, "End…");
    this.element = h("tr", { role: "row" }, ...this.cells, h("td", { role: "cell", class: "actions", "data-label": "Actions" }, button));
  }

  update(one) {
    const texts = [one.client, one.kind, format.lasted(one.age), format.bytes(one.bytes_in), format.bytes(one.bytes_out), one.about];
    texts.forEach((text, place) => say(this.cells[place], text));
  }
}

/** The card of a server. */
export class Sessions {
  constructor(actions, pool, server) {
    Object.assign(this, { actions, pool, server });
    this.rows = new Map();
    this.asking = false;
    this.next = 0;
    this.note = h("p", { class: "dim", role: "status" });
    this.body = h("tbody", { role: "rowgroup" });
    const heads = [...COLUMNS.map(([label, kind]) => h("th", { role: "columnheader", scope: "col", class: kind }, label)),
      h("th", { role: "columnheader", scope: "col" }, h("span", { class: "hidden" }, "Actions"))];
    this.table = h("div", { class: "table", hidden: true }, h("table", { role: "table" },
      h("caption", { class: "hidden" }, `What is open with ${server}`), h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...heads)), this.body));
    this.element = h("section", { class: "card sessions" }, h("h2", {}, "What is open"), this.note, this.table);
  }

  /** To be called each second. */
  async update() {
    if (this.asking || performance.now() < this.next) return;
    this.asking = true;
    try {
      this.#take(await api.sessions({ pool: this.pool, server: this.server, limit: MOST }));
    } catch (error) {
      if (!(error instanceof api.Refused)) console.error(error);
      say(this.note, `It cannot be had: ${error.message}.`);
    }
    this.asking = false;
    this.next = performance.now() + EACH;
  }

  #take(told) {
    const wanted = new Set(told.sessions.map((one) => one.id));
    for (const [id, row] of this.rows) {
      if (wanted.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    for (const one of told.sessions) {
      if (!this.rows.has(one.id)) {
        const row = new Row(one, () => this.actions.endSession(one));
        this.rows.set(one.id, row);
        this.body.append(row.element);
      }
      this.rows.get(one.id).update(one);
    }
    const silent = told.unanswered.map((one) => ` Process ${one.process} is not in it: ${one.reason}.`).join("");
    const most = told.total > told.sessions.length ? `, the ${told.sessions.length} oldest of which are shown` : "";
    say(this.note, `${told.total ? `${format.count(told.total, "session")}${most}` : "Nothing"}.${silent}`);
    show(this.table, told.total > 0);
  }
}
