// What was seen of each server since the page was opened: rates from counters, and what happened when.

const KEPT = 300; // Seconds.
const SMOOTH = 5; // Samples that a rate in a table is the mean of.
const EVENTS = 60;
const SERIES = ["requests", "failures", "latency", "active", "in", "out"];

/** The last five minutes of one server, each series as long as `times`. */
class Track {
  constructor() {
    this.times = [];
    this.last = null;
    for (const name of SERIES) this[name] = [];
  }

  add(at, server) {
    const last = this.last;
    this.last = { at, server };
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

  /** The mean of the last few seconds; null before there is any. */
  now(name) {
    const recent = this[name].slice(-SMOOTH);
    return recent.length ? recent.reduce((sum, one) => sum + one, 0) / recent.length : null;
  }
}

const tracks = new Map();
export const events = [];

export const keyOf = (pool, server) => `${pool}/${server}`;
export const trackOf = (pool, server) => tracks.get(keyOf(pool, server)) ?? new Track();

/** Take in a status; what happened since the one before. */
export function take(told, at) {
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
