// What is asked before anything is changed: what will happen, who is under way, and whether anybody is left to serve.

import * as api from "./api.js";
import { h, say, show } from "./dom.js";
import { count } from "./format.js";
import { baseName, isUsable, othersUsable } from "./judge.js";

let number = 0;

/** Ask in a dialog; `act` is called with the form and may refuse. Esc and Cancel close it. */
function ask({ title, inside, button, danger = false, act, extra = [], update }) {
  const id = `dialog-${(number += 1)}`;
  const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
  const go = h("button", { type: "submit", class: danger ? "danger" : "primary" }, button);
  const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = h("form", { method: "dialog" },
    h("h2", { id }, title), ...inside, wrong, h("div", { class: "buttons" }, ...extra, h("span", { class: "gap" }), cancel, go));
  const dialog = h("dialog", { "aria-labelledby": id }, form);
  const opener = document.activeElement;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      await act(form);
      dialog.close();
    } catch (error) {
      const errors = (error.errors ?? []).map((one) => `${one.key ? `${one.key}: ` : ""}${one.reason}`);
      say(wrong, [error.message, ...errors].join(". "));
      show(wrong, true);
      go.disabled = false;
    }
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener?.focus?.();
  });
  if (update) {
    form.addEventListener("input", () => update(form, go));
    update(form, go);
  }
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

const field = (label, input, hint) => h("label", { class: "field" }, h("span", {}, label), input, hint ? h("small", {}, hint) : null);

/** What a change of state or weight will do, and whether it leaves nobody. */
function effects(pool, name, server, state, weight) {
  const told = [];
  const stays = server.active ? `${count(server.active, "exchange")} under way ${server.active === 1 ? "ends" : "end"} by itself.` : "Nothing is under way with it now.";
  if (state === "drain") told.push(`It gets no new clients; those that it has stay. ${stays}`);
  if (state === "maint") told.push(`It gets no clients at all, and its health is not checked. ${stays}`);
  if (state === "ready") {
    told.push(weight === 0 ? `With the weight 0 it gets no new clients. ${stays}` : "It gets its share of new clients.");
    if (server.health === "down") told.push(`Its checks fail, so it serves only once they pass: ${server.check.reason}`);
  }
  const wasUsable = isUsable(server);
  const willBe = state === "ready" && weight > 0 && server.health !== "down";
  const others = othersUsable(pool, name);
  const last = wasUsable && !willBe && others === 0;
  if (wasUsable && !willBe && others > 0) told.push(`${count(others, "other server")} of the pool can take over.`);
  return { told, last };
}

const LAST = "⚠ It is the last server of this pool that can take clients. After this, new clients are refused.";

/** State and weight of a server; `proposed` is the state to begin with, or null. */
export function change(told, poolName, name, proposed, after) {
  const pool = told.pools[poolName];
  const server = pool.servers[name];
  const base = baseName(name);
  const states = [["ready", "Ready", "takes clients"], ["drain", "Drain", "no new clients"], ["maint", "Maintenance", "no clients, no checks"]];
  const wanted = proposed ?? server.admin;
  const radios = states.map(([value, label, hint]) =>
    h("label", { class: "choice" }, h("input", { type: "radio", name: "state", value, checked: value === wanted }), h("span", {}, label), h("small", {}, hint)));
  const weight = h("input", { name: "weight", type: "number", min: 0, max: 65535, step: 1, value: server.weight, required: true });
  const effect = h("p", { class: "effect", "aria-live": "polite" });
  const warning = h("p", { class: "warning", role: "alert", hidden: true });
  const extra = [h("button", { type: "button", class: "danger quiet", onclick: () => { dialog.close(); remove(told, poolName, name, after); } }, "Remove…")];
  if (server.changed) {
    extra.push(h("button", { type: "button", class: "quiet", onclick: () => { dialog.close(); reset(poolName, base, after); } }, "Reset…"));
  }
  const read = (form) => ({ state: form.elements.state.value, weight: form.elements.weight.valueAsNumber });
  const dialog = ask({
    title: `Change ${base}`,
    inside: [h("p", { class: "dim" }, `${server.address}, pool ${poolName}`), h("fieldset", {}, h("legend", {}, "State"), ...radios), field("Weight", weight, "0 to 65535"), effect, warning],
    button: "Apply",
    extra,
    update(form, go) {
      const { state, weight: share } = read(form);
      const found = effects(pool, name, server, state, share);
      const same = state === server.admin && share === server.weight;
      say(effect, same ? "Nothing is changed yet." : found.told.join(" "));
      say(warning, found.last ? LAST : "");
      show(warning, found.last);
      go.disabled = same;
    },
    async act(form) {
      const { state, weight: share } = read(form);
      const changes = {};
      if (state !== server.admin) changes.state = state;
      if (share !== server.weight) changes.weight = share;
      after((await api.changeServer(poolName, base, changes)).done);
    },
  });
}

/** Take a server out. */
export function remove(told, poolName, name, after) {
  const pool = told.pools[poolName];
  const server = pool.servers[name];
  const base = baseName(name);
  const inside = [
    h("p", {}, `${server.address} leaves pool ${poolName}. ${server.active ? `${count(server.active, "exchange")} under way may end; what the pool says in on_remove counts.` : "Nothing is under way with it now."} A reset brings back a server of the file.`),
  ];
  if (isUsable(server) && othersUsable(pool, name) === 0) inside.push(h("p", { class: "warning", role: "alert" }, LAST));
  ask({ title: `Remove ${base}?`, inside, button: "Remove", danger: true, act: async () => after((await api.removeServer(poolName, base)).done) });
}

/** Add a server. */
export function add(poolName, after) {
  const name = h("input", { name: "name", required: true, pattern: "[A-Za-z0-9_.\\-]+", maxlength: 80, autocomplete: "off" });
  const address = h("input", { name: "address", required: true, placeholder: "10.0.0.7:3000", autocomplete: "off", spellcheck: "false" });
  const weight = h("input", { name: "weight", type: "number", min: 0, max: 65535, value: 1, required: true });
  const most = h("input", { name: "most", type: "number", min: 0, max: 10000000, value: 0, required: true });
  const backup = h("input", { name: "backup", type: "checkbox" });
  ask({
    title: `Add a server to ${poolName}`,
    inside: [
      field("Name", name), field("Address", address, "host:port, https://host or unix:/path"), field("Weight", weight),
      field("Most connections", most, "0 is no limit"), h("label", { class: "choice" }, backup, h("span", {}, "Backup"), h("small", {}, "serves when no other can")),
      h("p", { class: "effect" }, "It gets clients as soon as its first checks pass, in every process."),
    ],
    button: "Add",
    async act(form) {
      const { elements } = form;
      const wanted = { name: elements.name.value, address: elements.address.value.trim(), weight: elements.weight.valueAsNumber, backup: elements.backup.checked };
      if (elements.most.valueAsNumber) wanted.max_connections = elements.most.valueAsNumber;
      after((await api.addServer(poolName, wanted)).done);
    },
  });
}

/** Drop what was changed of a server, or of a pool where `name` is empty. */
export function reset(poolName, name, after) {
  const what = name || `pool ${poolName}`;
  ask({
    title: `Reset ${what}?`,
    inside: [h("p", {}, `All that was changed of ${what} at run time is dropped: the file counts again. A server that was only added at run time leaves.`)],
    button: "Reset",
    act: async () => after((name ? await api.resetServer(poolName, name) : await api.resetPool(poolName)).done),
  });
}

const ALGORITHMS = ["round_robin", "weighted_round_robin", "least_connections", "least_latency", "two_choices", "random", "first", "ip_hash", "uri_hash", "header_hash", "cookie_hash"];

/** Have a pool pick in another way. */
export function algorithm(told, poolName, after) {
  const now = told.pools[poolName].algorithm;
  const options = ALGORITHMS.map((one) => h("option", { value: one, selected: one === now }, one));
  ask({
    title: `How ${poolName} picks`,
    inside: [field("Algorithm", h("select", { name: "algorithm" }, ...options)), h("p", { class: "effect" }, "New clients are given to servers in this way from now on; those under way stay.")],
    button: "Apply",
    act: async (form) => after((await api.changePool(poolName, { algorithm: form.elements.algorithm.value })).done),
  });
}

/** End what is open of a client. */
export function endSession(one, after) {
  ask({
    title: `End ${one.id}?`,
    inside: [h("p", {}, `${one.client}, ${one.kind}${one.about ? `: ${one.about}` : ""}`), h("p", { class: "effect" }, "The client and the server are cut off; what is on its way is lost.")],
    button: "End",
    danger: true,
    act: async () => after((await api.endSession(one.id)).done),
  });
}

/** Have every process read the file again. */
export function reload(file, after) {
  ask({
    title: "Reload the file?",
    inside: [h("p", {}, `Every process reads ${file} again and goes on with its connections. A broken file changes nothing.`)],
    button: "Reload",
    act: async () => after((await api.reload()).done),
  });
}

/** Ask for a token, once at a time. */
export function token(sentence, after) {
  if (document.getElementById("token")) return;
  const input = h("input", { id: "token", type: "password", required: true, autocomplete: "off" });
  ask({
    title: "A token is needed",
    inside: [h("p", {}, sentence), field("Token", input, "It is kept for as long as this tab is open.")],
    button: "Go on",
    async act() {
      api.keepToken(input.value);
      await api.status();
      after();
    },
  });
}
