// What a status means: who can take clients, and what needs somebody's attention.

/** Whether a server may be given new clients. */
export const isUsable = (server) => server.admin === "ready" && server.weight > 0 && server.health !== "down";

/** The name by which a server is changed: the further addresses of a name are changed with it. */
export const baseName = (name) => name.split("@")[0];

/** Servers of a pool that stay usable without the one of this name. */
export const othersUsable = (pool, name) =>
  Object.entries(pool.servers).filter(([other, one]) => baseName(other) !== baseName(name) && isUsable(one)).length;

/** Counts over servers. */
export function tally(servers) {
  const sum = { all: 0, usable: 0, down: 0, out: 0, active: 0 };
  for (const one of servers) {
    sum.all += 1;
    sum.active += one.active;
    if (isUsable(one)) sum.usable += 1;
    if (one.admin !== "ready") sum.out += 1;
    else if (one.health === "down") sum.down += 1;
  }
  return sum;
}

let behindSince = 0;

/** Sentences about the processes, each with how serious it is. */
export function* complaints(told, now) {
  for (const problem of told.problems) yield ["bad", `The file is broken, and what runs stays: ${problem}`];
  if (!told.workers.length) {
    yield ["warn", "No process runs this configuration: the figures are those of before."];
    return;
  }
  const behind = told.workers.filter((one) => one.revision < told.revision).map((one) => one.process);
  behindSince = behind.length ? behindSince || now : 0;
  // Processes take a change within half a second, which is no news.
  if (behind.length && now - behindSince >= 1.5) {
    yield ["warn", `The last change has not been taken yet by process ${behind.join(", ")}.`];
  }
  if (!told.workers.some((one) => one.checks)) yield ["bad", "Nobody checks health: what is up or down is as last known."];
}
