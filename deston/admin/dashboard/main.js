// The page: what is asked for every second, and which view of it is shown.

import * as api from "./api.js";
import { Chart, MOST_LINES } from "./charts.js";
import * as dialogs from "./dialogs.js";
import { h, mark, say, show } from "./dom.js";
import * as format from "./format.js";
import { events, take, trackOf } from "./history.js";
import { complaints, tally } from "./judge.js";
import { PoolSection } from "./table.js";
import * as theme from "./theme.js";

const EVERY = 1000;
const SHOWN_EVENTS = 12;

/** Seconds since the epoch that no correction of the clock makes jump. */
const now = () => (performance.timeOrigin + performance.now()) / 1000;

const byId = (id) => document.getElementById(id);
const main = byId("main");
let told = null;
let view = null;
let timer = 0;

/** Say a sentence to who hears the page rather than sees it. */
const announce = (sentence) => say(byId("said"), sentence);

const after = (sentence) => {
  announce(sentence ?? "done");
  refresh();
};

const actions = {
  add: (pool) => dialogs.add(pool, after),
  change: (pool, name, proposed) => dialogs.change(told, pool, name, proposed, after),
};

/** All pools, with what happened last. */
class Overview {
  constructor() {
    this.sum = h("p", { class: "figures" });
    this.pools = h("div", {});
    this.events = h("ol", { class: "events" });
    this.sections = new Map();
    main.replaceChildren(
      h("h1", { class: "hidden" }, "Pools"), this.sum, this.pools,
      h("section", { class: "pool", "aria-label": "What happened" }, h("h2", {}, "What happened"), this.events));
  }

  update(words) {
    const servers = Object.values(told.pools).flatMap((pool) => Object.values(pool.servers));
    const sum = tally(servers);
    say(this.sum, `${format.count(sum.all, "server")}: ${sum.usable} usable, ${sum.down} down, ${sum.out} taken out, ${format.whole(sum.active)} active`);
    for (const [name, section] of this.sections) {
      if (name in told.pools) continue;
      section.end();
      section.element.remove();
      this.sections.delete(name);
    }
    for (const [name, pool] of Object.entries(told.pools)) {
      if (!this.sections.has(name)) {
        const section = new PoolSection(name, actions);
        this.sections.set(name, section);
        this.pools.append(section.element);
      }
      this.sections.get(name).update(pool, words);
    }
    this.#tell();
  }

  #tell() {
    const newest = events[0]?.at ?? null;
    if (this.newest === newest && this.events.firstChild) return;
    this.newest = newest;
    const lines = events.slice(0, SHOWN_EVENTS).map((one) =>
      h("li", {}, h("time", {}, one.at.toLocaleTimeString()), " ",
        h("span", { "data-tone": one.tone || null }, `${one.pool}/${one.name} ${one.text}`)));
    this.events.replaceChildren(...(lines.length ? lines : [h("li", { class: "reason" }, "Nothing since this page was opened.")]));
  }

  end() {
    for (const section of this.sections.values()) section.end();
  }
}

/** Charts over several servers. */
function charts(names) {
  return [
    new Chart("Requests a second", names, format.rate),
    new Chart("Failures a second", names, format.rate),
    new Chart("Latency", names, format.latency),
  ];
}

function drawAll(drawn, tracks) {
  const times = tracks.reduce((longest, one) => (one.times.length > longest.length ? one.times : longest), []);
  const padded = (values) => [...Array(Math.max(0, times.length - values.length)).fill(null), ...values];
  ["requests", "failures", "latency"].forEach((name, place) =>
    drawn[place].draw(times, tracks.map((one) => padded(one[name]))));
}

/** One pool. */
class PoolView {
  constructor(name) {
    this.name = name;
    this.section = new PoolSection(name, actions, "h1");
    this.names = Object.keys(told.pools[name].servers).slice(0, MOST_LINES);
    this.charts = charts(this.names);
    const algorithm = h("button", { type: "button", onclick: () => dialogs.algorithm(told, name, after) }, "Change how it picks…");
    const reset = h("button", { type: "button", onclick: () => dialogs.reset(name, "", after) }, "Reset to the file…");
    main.replaceChildren(this.section.element, h("div", { class: "charts" }, ...this.charts.map((one) => one.element)),
      h("div", { class: "below" }, algorithm, reset));
  }

  update(words) {
    this.section.update(told.pools[this.name], words);
    drawAll(this.charts, this.names.map((one) => trackOf(this.name, one)));
  }

  end() {
    this.section.end();
    this.charts.forEach((one) => one.end());
  }
}

/** One server: what it is, what the last check found, and how it fares. */
class ServerView {
  constructor(pool, name) {
    this.pool = pool;
    this.name = name;
    this.facts = h("dl", { class: "facts" });
    this.charts = charts([name]);
    const button = (text, act) => h("button", { type: "button", onclick: act }, text);
    main.replaceChildren(
      h("h1", {}, `${pool}/${name}`), this.facts,
      h("div", { class: "below" },
        button("Change…", () => dialogs.change(told, pool, name, null, after)),
        button("Reset to the file…", () => dialogs.reset(pool, name, after)),
        button("Remove…", () => dialogs.remove(told, pool, name, after))),
      h("div", { class: "charts" }, ...this.charts.map((one) => one.element)));
  }

  update() {
    const one = told.pools[this.pool].servers[this.name];
    const { check } = one;
    const rows = [
      ["Address", one.address],
      ["Health", one.health + (check.reason ? `: ${check.reason}` : "")],
      ["Last check", `${format.ago(check.last)}, took ${format.latency(check.seconds * 1000)}`],
      ["Checks", `${format.whole(check.count)}, of which ${format.whole(check.failed)} failed; the health changed ${format.count(check.flips, "time")}`],
      ["State", one.admin + (one.changed ? " (changed at run time)" : "")],
      ["Left out", one.marked ? `for another ${Math.round(one.marked)} s: it failed too often` : one.not_marked ? `no, although it fails often: ${one.not_marked}` : "no"],
      ["Weight", String(one.weight) + (one.backup ? ", a backup" : "")],
      ["Under way", format.whole(one.active)],
      ["Clients so far", `${format.whole(one.total)}, failures: ${format.whole(one.failures)}`],
      ["Bytes", `${format.bytes(one.bytes_in)} to it, ${format.bytes(one.bytes_out)} from it`],
    ];
    if (!this.values) {
      this.values = rows.map(() => h("dd", {}));
      this.facts.replaceChildren(...rows.flatMap(([label], place) => [h("dt", {}, label), this.values[place]]));
    }
    rows.forEach(([, value], place) => say(this.values[place], value));
    drawAll(this.charts, [trackOf(this.pool, this.name)]);
  }

  end() {
    this.charts.forEach((one) => one.end());
  }
}

/** The view of an address: `#/`, `#/pool/NAME` or `#/pool/NAME/SERVER`; the overview where there is no such thing. */
function open() {
  const [, kind, pool, server] = location.hash.split("/").map(decodeURIComponent);
  const known = kind === "pool" ? told.pools[pool] : undefined;
  view?.end();
  const trail = [h("a", { href: "#/" }, "Pools")];
  if (known) trail.push(" › ", h("a", { href: `#/pool/${encodeURIComponent(pool)}` }, pool));
  const isServer = known && server && server in known.servers;
  if (isServer) trail.push(" › ", h("span", { "aria-current": "page" }, server));
  byId("trail").replaceChildren(...trail);
  view = isServer ? new ServerView(pool, server) : known ? new PoolView(pool) : new Overview();
}

function isGone() {
  const pool = view.pool ?? view.name;
  return pool !== undefined && (!(pool in told.pools) || (view.pool && !(view.name in told.pools[pool].servers)));
}

function draw() {
  if (view === null || isGone()) open();
  view.update(byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean));
}

function banners(lines) {
  const key = JSON.stringify(lines);
  if (byId("banners").key === key) return;
  byId("banners").key = key;
  byId("banners").replaceChildren(...lines.map(([tone, text]) => h("p", { class: "banner", "data-tone": tone }, text)));
}

async function refresh() {
  clearTimeout(timer);
  try {
    const fresh = await api.status();
    const news = take(fresh, now());
    told = fresh;
    say(byId("file"), told.file);
    say(byId("pulse-text"), "live");
    mark(byId("pulse"), "data-tone", "up");
    const broken = told.problems.map((one) => ["bad", `The file is broken, what runs stays: ${one}`]);
    banners([...broken, ...complaints(told, now())]);
    if (news.length) announce(news.map((one) => `${one.pool}/${one.name} ${one.text}`).join("; "));
    draw();
  } catch (error) {
    if (!(error instanceof api.Refused)) throw error;
    say(byId("pulse-text"), "not live");
    mark(byId("pulse"), "data-tone", "down");
    if (error.status === 401) dialogs.token(error.message, refresh);
    banners([["bad", error.status ? error.message : "The admin process does not answer: what is shown is old."]]);
  }
  if (!document.hidden) timer = setTimeout(refresh, EVERY);
}

theme.install(byId("theme"));
theme.onChange(() => {
  if (told) {
    open();
    draw();
  }
});
byId("reload").addEventListener("click", () => told && dialogs.reload(told.file, after));
byId("filter").addEventListener("input", () => told && draw());
addEventListener("hashchange", () => {
  if (!told) return;
  open();
  draw();
  main.focus();
});
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, dialog")) return;
  event.preventDefault();
  byId("filter").focus();
});
document.addEventListener("visibilitychange", () => !document.hidden && refresh());
show(byId("banners"), true);
refresh();
