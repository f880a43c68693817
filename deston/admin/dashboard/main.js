// The page: asks for the status each second, and shows it in the view that the address names.

import * as api from "./api.js";
import * as dialogs from "./dialogs.js";
import { h, mark, say } from "./dom.js";
import * as history from "./history.js";
import { complaints } from "./judge.js";
import * as theme from "./theme.js";
import { Overview, PoolView, ServerView } from "./views.js";

const EACH = 1000;
const find = (id) => document.getElementById(id);
const main = find("main");
const filter = find("filter");

let told = null;
let view = null;
let shown = "";
let failed = "";
let timer = 0;
let asking = false;

const after = (sentence) => {
  if (sentence) announce(sentence);
  look();
};
const actions = {
  change: (pool, name, proposed) => dialogs.change(told, pool, name, proposed, after),
  remove: (pool, name) => dialogs.remove(told, pool, name, after),
  add: (pool) => dialogs.add(pool, after),
  reset: (pool, name) => dialogs.reset(pool, name, after),
  endSession: (one) => dialogs.endSession(one, after),
  algorithm: (pool) => dialogs.algorithm(told, pool, after),
};

function announce(sentence) {
  say(find("said"), sentence);
}

/** Ask once, and again in a second for as long as the tab is looked at. */
async function look() {
  clearTimeout(timer);
  if (asking || document.hidden) return;
  asking = true;
  const began = performance.now();
  try {
    take(await api.status());
    failed = "";
  } catch (error) {
    if (error.status === 401) {
      dialogs.token(sessionStorage.getItem("deston.token") ? "The token that was given is not known." : "This Deston asks for one.", look);
    } else if (!(error instanceof api.Refused)) console.error(error);
    failed = error.message;
  }
  asking = false;
  pulse();
  banners();
  // A machine that is slow to tell is not asked all the time.
  timer = setTimeout(look, Math.max(EACH - (performance.now() - began), performance.now() - began));
}

function take(fresh) {
  told = fresh;
  // The time of day, which no correction of the clock makes jump.
  const news = history.take(told, (performance.timeOrigin + performance.now()) / 1000);
  if (news.length) announce(news.slice(0, 3).map((one) => `${one.pool}/${one.name} ${one.text}`).join(". "));
  say(find("file"), told.file);
  render();
}

/** The view that the address names, made where it is another one. */
function route() {
  const [, kind, pool, server] = location.hash.split("/").map((part) => decodeURIComponent(part));
  if (kind !== "pool" || !pool) return { make: () => new Overview(actions), trail: [] };
  if (!told.pools[pool] || (server && !told.pools[pool].servers[server])) return { missing: server ? `${pool}/${server}` : pool, trail: [pool] };
  if (!server) return { make: () => new PoolView(actions, pool), trail: [pool] };
  return { make: () => new ServerView(actions, pool, server), trail: [pool, server] };
}

function render() {
  if (!told) return;
  const { make, missing, trail } = route();
  const wanted = `${location.hash} ${missing ?? ""}`;
  if (shown !== wanted) {
    const isFirst = shown === "";
    view?.end();
    view = make?.() ?? null;
    shown = wanted;
    main.replaceChildren(view?.element ?? h("p", { class: "card" }, `There is no ${missing} (any more). `, h("a", { href: "#/" }, "All pools")));
    follow(trail);
    if (!isFirst) (main.querySelector("h1") ?? main).focus();
  }
  view?.update(told, filter.value.toLowerCase().split(/\s+/).filter(Boolean));
  const down = Object.values(told.pools).flatMap((pool) => Object.values(pool.servers)).filter((one) => one.admin === "ready" && one.health === "down").length;
  document.title = [down ? `✕${down}` : "", ...trail.slice(-1), "Deston"].filter(Boolean).join(" · ");
}

function follow(trail) {
  const steps = [["All pools", "#/"], ...trail.map((name, place) => [name, `#/pool/${trail.slice(0, place + 1).map(encodeURIComponent).join("/")}`])];
  find("trail").replaceChildren(h("ol", {}, ...steps.map(([label, href], place) =>
    h("li", {}, h("a", { href, "aria-current": place === steps.length - 1 ? "page" : null }, label)))));
}

function pulse() {
  const state = failed ? "bad" : document.hidden ? "" : "good";
  mark(find("pulse"), "data-tone", state);
  const workers = told?.workers.length ?? 0;
  say(find("pulse-text"), failed ? "not live" : `live, ${workers} worker${workers === 1 ? "" : "s"}`);
}

let bannersSaid = "";

function banners() {
  const all = failed ? [["bad", `The status cannot be had: ${failed}. What is shown is as it was; it is asked again each second.`]] : [];
  if (told && !failed) all.push(...complaints(told, performance.now() / 1000));
  const said = JSON.stringify(all);
  if (said === bannersSaid) return;
  bannersSaid = said;
  find("banners").replaceChildren(...all.map(([tone, sentence]) => h("p", { class: "banner", "data-tone": tone }, h("span", { "aria-hidden": "true" }, "⚠ "), sentence)));
}

theme.install(find("theme"));
theme.onChange(() => {
  view?.recolour();
  render();
});
filter.addEventListener("input", render);
find("reload").addEventListener("click", () => told && dialogs.reload(told.file, after));
addEventListener("hashchange", render);
document.addEventListener("visibilitychange", look);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, select, textarea, dialog")) {
    event.preventDefault();
    filter.focus();
  }
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
look();
