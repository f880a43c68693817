// What was seen of each server since the page was opened: rates from counters, and what happened when.

const KEPT = 300; // Seconds.
const SMOOTH = 5; // Samples that a rate in a table is the mean of.
const EVENTS = 60;
const CHECKS = 20;
const SERIES = ["requests", "failures", "latency", "active", "in", "out"];

/** The last five minutes of one server, each series as long as `times`. */
class Track {
  constructor() {
    this.times = [];
    this.last = null;
    this.checks = [];
    for (const name of SERIES) this[name] = [];
  }

  add(at, server) {
    const last = this.last;
    this.last = { at, server };
    this.#takeCheck(last?.server.check, server.check);
    if (last === null) return;
    const seconds = at - last.at;
    // A counter that went down began anew: its process's share is lost, not negative.
    const rate = (key) => Math.max(0, server[key] - last.server[key]) / seconds;
    this.times.push(at);
    this.requests.push(rate("total"));
    this.failures.push(rate("failures"));
    this.in.push(rate("bytes_in"));
    this.out.push(rate("bytes_out"));
    this.latency.push(server.latency_ms);
    this.active.push(server.active);
    if (this.times.length > KEPT) for (const name of ["times", ...SERIES]) this[name].shift();
  }

  /** What a check found, where there was one since the last look. */
  #takeCheck(before, check) {
    if (check.last === null || (before && check.count === before.count)) return;
    const failed = before ? check.failed > before.failed : null; // Of the first one that is seen only the reason is known.
    this.checks.unshift({ at: new Date(Date.now() - check.last * 1000), failed, reason: check.reason, seconds: check.seconds });
    this.checks.length = Math.min(this.checks.length, CHECKS);
  }

  /** The mean of the last few seconds; null before there is any. */
  now(name) {
    return mean(this[name]);
  }
}

function mean(values) {
  const recent = values.slice(-SMOOTH);
  return recent.length ? recent.reduce((sum, one) => sum + one, 0) / recent.length : null;
}

/** The last few rates of one listener, by what was counted. */
class ListenerTrack {
  constructor() {
    this.last = null;
    this.rates = new Map();
  }

  add(at, one) {
    const counts = { accepted: one.accepted, ...one.responses, requests: Object.values(one.responses).reduce((sum, count) => sum + count, 0) };
    const last = this.last;
    this.last = { at, counts };
    if (last === null) return;
    for (const [name, count] of Object.entries(counts)) {
      if (!this.rates.has(name)) this.rates.set(name, []);
      const rates = this.rates.get(name);
      rates.push(Math.max(0, count - (last.counts[name] ?? 0)) / (at - last.at));
      if (rates.length > SMOOTH) rates.shift();
    }
  }

  /** The mean of the last few seconds; null before there is any. */
  now(name) {
    return mean(this.rates.get(name) ?? (this.last ? [0] : []));
  }
}

const listenerTracks = new Map();

export function listenerTrackOf(name) {
  if (!listenerTracks.has(name)) listenerTracks.set(name, new ListenerTrack());
  return listenerTracks.get(name);
}

const tracks = new Map();
export const events = [];

export const keyOf = (pool, server) => `${pool}/${server}`;
export const trackOf = (pool, server) => tracks.get(keyOf(pool, server)) ?? new Track();

/** Take in a status; what happened since the one before. */
export function take(told, at) {
  for (const [name, one] of Object.entries(told.listeners)) listenerTrackOf(name).add(at, one);
  const seen = new Set();
  const news = [];
  for (const [pool, of] of Object.entries(told.pools)) {
    for (const [name, server] of Object.entries(of.servers)) {
      const key = keyOf(pool, name);
      seen.add(key);
      let track = tracks.get(key);
      if (!track) {
        if (tracks.size && !first) news.push({ pool, name, tone: "", text: "was added" });
        tracks.set(key, (track = new Track()));
      } else news.push(...flips(pool, name, track.last.server, server));
      track.add(at, server);
    }
  }
  for (const key of [...tracks.keys()].filter((one) => !seen.has(one))) {
    const [pool, name] = key.split("/");
    tracks.delete(key);
    news.push({ pool, name, tone: "", text: "left" });
  }
  first = false;
  for (const one of news) events.unshift({ ...one, at: new Date() });
  events.length = Math.min(events.length, EVENTS);
  return news;
}

let first = true;

function* flips(pool, name, before, server) {
  if (before.health !== server.health) {
    const why = server.health === "down" && server.check.reason ? `: ${server.check.reason}` : "";
    yield { pool, name, tone: server.health, text: `is ${server.health}${why}` };
  }
  if (before.admin !== server.admin) yield { pool, name, tone: server.admin, text: `is in the state ${server.admin}` };
  if (before.weight !== server.weight) yield { pool, name, tone: "", text: `has the weight ${server.weight}` };
}
