// What stands in <main>: all pools, one pool, or one server.

import { Chart, MOST_LINES } from "./charts.js";
import { h, mark, say, show } from "./dom.js";
import * as format from "./format.js";
import { events, trackOf } from "./history.js";
import { isUsable, tally } from "./judge.js";
import { Listeners } from "./listeners.js";
import { Sessions } from "./sessions.js";
import { PoolSection } from "./table.js";

const clock = (at) => at.toLocaleTimeString("en-GB");
const linkTo = (...names) => `#/pool/${names.map(encodeURIComponent).join("/")}`;

/** Figures at a glance: label, value and tone. */
class Tiles {
  constructor(labels) {
    this.values = labels.map(() => h("dd", {}));
    this.boxes = labels.map((label, place) => h("div", { class: "tile" }, h("dt", {}, label), this.values[place]));
    this.element = h("dl", { class: "tiles" }, ...this.boxes);
  }

  update(...told) {
    told.forEach(([text, tone], place) => {
      say(this.values[place], text);
      mark(this.boxes[place], "data-tone", tone ?? "");
    });
  }
}

/** What happened, the latest first; only that of a pool or a server where they are named. */
class Events {
  constructor(pool, name) {
    this.wanted = (one) => (!pool || one.pool === pool) && (!name || one.name === name);
    this.list = h("ol", { class: "events", tabindex: "0", "aria-label": "What happened" });
    this.none = h("p", { class: "dim" }, "Nothing has changed since this page was opened.");
    this.element = h("section", { class: "card" }, h("h2", {}, "What happened"), this.none, this.list);
    this.latest = null;
  }

  update() {
    if (this.latest === events[0]) return;
    this.latest = events[0];
    const found = events.filter(this.wanted);
    show(this.none, found.length === 0);
    this.list.replaceChildren(...found.map((one) =>
      h("li", { "data-tone": one.tone }, h("time", { datetime: one.at.toISOString() }, clock(one.at)),
        h("span", {}, h("a", { href: linkTo(one.pool, one.name) }, `${one.pool}/${one.name}`), ` ${one.text}`))));
  }
}

/** Servers that are down or fail, with why. */
class Trouble {
  constructor() {
    this.list = h("ul", {});
    this.element = h("section", { class: "card trouble", hidden: true }, h("h2", {}, "Needs attention"), this.list);
    this.said = "";
  }

  update(told) {
    const found = [];
    for (const [pool, of] of Object.entries(told.pools)) {
      const servers = Object.entries(of.servers);
      if (!servers.some(([, one]) => isUsable(one))) found.push([pool, null, "no server can take clients"]);
      for (const [name, one] of servers) {
        if (one.marked || one.not_marked) found.push([pool, name, `failed too often, left out: ${leftOut(one)}`]);
        if (one.admin !== "maint" && one.health === "down") found.push([pool, name, `is down: ${one.check.reason || "its checks fail"}`]);
        const failures = trackOf(pool, name).now("failures");
        if (failures > 0) found.push([pool, name, `fails ${format.rate(failures)} times a second`]);
      }
    }
    const said = JSON.stringify(found);
    if (said === this.said) return;
    this.said = said;
    show(this.element, found.length > 0);
    const first = found.slice(0, 10).map(([pool, name, why]) =>
      h("li", {}, h("span", { "aria-hidden": "true" }, "✕ "), h("a", { href: name ? linkTo(pool, name) : linkTo(pool) }, name ? `${pool}/${name}` : pool), ` ${why}`));
    if (found.length > 10) first.push(h("li", { class: "dim" }, `and ${found.length - 10} more`));
    this.list.replaceChildren(...first);
  }
}

/** The last checks of a server that were seen, the latest first. */
class Checks {
  constructor() {
    this.list = h("ol", { class: "events", tabindex: "0", "aria-label": "Last checks" });
    this.element = h("section", { class: "card" }, h("h2", {}, "Last checks"), this.list);
    this.latest = null;
  }

  update(checks) {
    if (this.latest === checks[0]) return;
    this.latest = checks[0];
    this.list.replaceChildren(...checks.map((one) =>
      h("li", { "data-tone": one.failed === null ? "" : one.failed ? "down" : "up" }, h("time", { datetime: one.at.toISOString() }, clock(one.at)),
        h("span", {}, `${one.failed ? "✕ failed" : one.failed === null ? "" : "✓ passed"} ${one.reason} in ${format.latency(one.seconds * 1000)}`))));
  }
}

/** Whether a server gets no clients for its failures, and why not where it fails often. */
function leftOut(one) {
  if (one.marked) return `for another ${Math.round(one.marked)} s: it failed too often`;
  return one.not_marked ? `no, although it fails often: ${one.not_marked}` : "no";
}

/** All pools. */
export class Overview {
  constructor(actions) {
    this.actions = actions;
    this.sections = new Map();
    this.tiles = new Tiles(["Usable servers", "Down", "Drained or out", "Under way", "Requests/s", "Failures/s"]);
    this.trouble = new Trouble();
    this.listeners = new Listeners();
    this.events = new Events();
    this.pools = h("div", { class: "pools" });
    this.none = h("p", { class: "card dim", hidden: true }, "No server fits the filter.");
    this.element = h("div", {}, h("h1", { class: "hidden", tabindex: "-1" }, "All pools"), this.tiles.element, this.trouble.element, this.pools, this.none, this.listeners.element, this.events.element);
  }

  update(told, words) {
    const names = Object.keys(told.pools);
    for (const [name, section] of this.sections) {
      if (told.pools[name]) continue;
      section.end();
      section.element.remove();
      this.sections.delete(name);
    }
    for (const name of names) {
      if (!this.sections.has(name)) {
        const section = new PoolSection(name, this.actions);
        this.sections.set(name, section);
        this.pools.append(section.element);
      }
      this.sections.get(name).update(told.pools[name], words);
    }
    show(this.none, words.length > 0 && [...this.sections.values()].every((one) => one.element.hidden));
    const all = names.flatMap((pool) => Object.entries(told.pools[pool].servers).map(([name, one]) => [pool, name, one]));
    const counts = tally(all.map(([, , one]) => one));
    const sum = (series) => all.reduce((total, [pool, name]) => total + (trackOf(pool, name).now(series) ?? 0), 0);
    const failures = sum("failures");
    this.tiles.update(
      [`${counts.usable} of ${counts.all}`, counts.usable ? "" : "down"], [String(counts.down), counts.down ? "down" : ""],
      [String(counts.out), counts.out ? "drain" : ""], [format.whole(counts.active)], [format.rate(sum("requests"))],
      [format.rate(failures), failures ? "down" : ""],
    );
    this.trouble.update(told);
    this.listeners.update(told.listeners);
    this.events.update();
  }

  end() {
    for (const section of this.sections.values()) section.end();
  }

  recolour() {}
}

/** One pool: who gets what, and how latency moves. */
export class PoolView {
  constructor(actions, pool) {
    this.pool = pool;
    this.section = new PoolSection(pool, actions);
    this.section.unfold(true);
    this.tiles = new Tiles(["Usable servers", "Under way", "Requests/s", "Failures/s"]);
    this.events = new Events(pool);
    this.charts = h("div", { class: "charts" });
    this.kept = [];
    this.names = "";
    const button = (label, act) => h("button", { type: "button", onclick: act }, label);
    this.element = h("div", {},
      h("div", { class: "title" }, h("h1", { tabindex: "-1" }, `Pool ${pool}`), h("span", { class: "gap" }),
        button("Algorithm…", () => actions.algorithm(pool)), button("Reset…", () => actions.reset(pool, "")), button("Add server…", () => actions.add(pool))),
      this.tiles.element, this.charts, this.section.element, this.events.element);
  }

  update(told, words) {
    const pool = told.pools[this.pool];
    this.section.update(pool, words);
    const names = Object.keys(pool.servers);
    const sum = (series) => names.reduce((total, name) => total + (trackOf(this.pool, name).now(series) ?? 0), 0);
    const counts = tally(Object.values(pool.servers));
    const failures = sum("failures");
    this.tiles.update([`${counts.usable} of ${counts.all}`, counts.usable ? "" : "down"], [format.whole(counts.active)], [format.rate(sum("requests"))], [format.rate(failures), failures ? "down" : ""]);
    this.events.update();
    this.#draw(names);
  }

  #draw(names) {
    // The busiest, in the order of the table; their set is kept until servers come or go.
    if (this.names !== names.join()) {
      this.names = names.join();
      const load = (name) => trackOf(this.pool, name).last?.server.total ?? 0;
      const busiest = new Set([...names].sort((a, b) => load(b) - load(a)).slice(0, MOST_LINES));
      this.lines = names.filter((name) => busiest.has(name));
      this.end();
      const note = names.length > MOST_LINES ? `, the ${MOST_LINES} busiest` : "";
      this.kept = [
        ["requests", new Chart(`Requests/s${note}`, this.lines, format.rate)], ["latency", new Chart(`Latency${note}`, this.lines, format.latency)],
      ];
      this.charts.replaceChildren(...this.kept.map(([, chart]) => chart.element));
    }
    // Servers may have been seen for different times: the shortest are padded in front.
    const times = this.lines.map((name) => trackOf(this.pool, name).times).reduce((a, b) => (b.length > a.length ? b : a), []);
    for (const [series, chart] of this.kept) {
      chart.draw(times, this.lines.map((name) => {
        const values = trackOf(this.pool, name)[series];
        return [...Array(times.length - values.length).fill(null), ...values];
      }));
    }
  }

  end() {
    for (const [, chart] of this.kept) chart.end();
  }

  recolour() {
    for (const [, chart] of this.kept) chart.forget();
  }
}

/** One server: its last check, what was changed of it, and its last five minutes. */
export class ServerView {
  constructor(actions, pool, name) {
    this.pool = pool;
    this.name = name;
    this.tiles = new Tiles(["Health", "State", "Weight", "Under way", "Requests/s", "Failures/s", "Latency"]);
    this.facts = ["Address", "Last check", "Reason", "Checks", "Left out", "Requests in all", "Failures in all", "Carried", "Changed at run time"].map((label) => [label, h("dd", {})]);
    this.checks = new Checks();
    this.events = new Events(pool, name);
    this.sessions = new Sessions(actions, pool, name);
    this.kept = [
      [["requests", "failures"], new Chart("Requests and failures/s", ["requests/s", "failures/s"], format.rate, ["line-1", "bad"])],
      [["latency"], new Chart("Latency", ["latency"], format.latency, ["line-5"])],
      [["active"], new Chart("Under way", ["under way"], format.rate, ["line-3"])],
      [["in", "out"], new Chart("Bytes/s", ["from clients", "to clients"], format.bytes, ["line-4", "line-2"])],
    ];
    const button = (label, proposed, kind) => h("button", { type: "button", class: kind, onclick: () => actions.change(pool, name, proposed) }, label);
    this.drain = button("Drain…", "drain");
    this.ready = button("Ready…", "ready");
    this.element = h("div", {},
      h("div", { class: "title" }, h("h1", { tabindex: "-1" }, name), h("span", { class: "dim" }, `in pool ${pool}`), h("span", { class: "gap" }),
        this.drain, this.ready, button("Change…", null), h("button", { type: "button", class: "danger quiet", onclick: () => actions.remove(pool, name) }, "Remove…")),
      this.tiles.element,
      h("section", { class: "card" }, h("h2", {}, "Facts"), h("dl", { class: "facts" }, ...this.facts.flatMap(([label, value]) => [h("dt", {}, label), value]))),
      h("div", { class: "charts" }, ...this.kept.map(([, chart]) => chart.element)), this.sessions.element, this.checks.element, this.events.element);
  }

  update(told) {
    const one = told.pools[this.pool].servers[this.name];
    const track = trackOf(this.pool, this.name);
    const failures = track.now("failures");
    const sign = { up: "✓ up", down: "✕ down", unchecked: "? unchecked" };
    this.tiles.update(
      [sign[one.health], one.health], [one.admin, one.admin === "ready" ? "" : one.admin], [String(one.weight)], [format.whole(one.active)],
      [format.rate(track.now("requests"))], [format.rate(failures), failures ? "down" : ""], [format.latency(one.latency_ms)],
    );
    const changes = told.changes.filter((change) => change.pool === this.pool && change.server === this.name.split("@")[0]);
    const texts = [
      `${one.address}${one.backup ? ", a backup" : ""}`, `${format.ago(one.check.last)}, took ${format.latency(one.check.seconds * 1000)}`, one.check.reason || "none was told",
      `${format.whole(one.check.count)}, ${format.whole(one.check.failed)} failed; the health changed ${format.count(one.check.flips, "time")}`, leftOut(one),
      format.whole(one.total), format.whole(one.failures), `${format.bytes(one.bytes_in)} from clients, ${format.bytes(one.bytes_out)} to clients`,
      changes.map((change) => `${change.what} ${change.value}`.trim()).join(", ") || "nothing",
    ];
    texts.forEach((text, place) => say(this.facts[place][1], text));
    show(this.drain, one.admin === "ready");
    show(this.ready, one.admin !== "ready");
    this.checks.update(track.checks);
    this.events.update();
    this.sessions.update();
    for (const [series, chart] of this.kept) chart.draw(track.times, series.map((name) => track[name]));
  }

  end() {
    for (const [, chart] of this.kept) chart.end();
  }

  recolour() {
    for (const [, chart] of this.kept) chart.forget();
  }
}
