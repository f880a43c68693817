// Numbers and times as people read them.

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** A whole number with its thousands apart. */
export const whole = (number) => number.toLocaleString("en");

/** A rate: as many digits as say something. */
export function rate(number) {
  if (number === null) return "–";
  if (number === 0) return "0";
  if (number < 0.05) return "<0.1";
  return number < 10 ? number.toFixed(1) : whole(Math.round(number));
}

/** Bytes, or bytes a second. */
export function bytes(number) {
  if (number === null) return "–";
  let unit = 0;
  while (number >= 999.5 && unit < UNITS.length - 1) {
    number /= 1000;
    unit += 1;
  }
  return `${number < 10 && unit > 0 ? number.toFixed(1) : Math.round(number)} ${UNITS[unit]}`;
}

/** Milliseconds. */
export function latency(number) {
  if (!number) return "–";
  if (number >= 1000) return `${(number / 1000).toFixed(number < 10000 ? 2 : 1)} s`;
  return `${number < 10 ? number.toFixed(1) : Math.round(number)} ms`;
}

/** How long ago, from seconds. */
export function ago(seconds) {
  if (seconds === null || seconds === undefined) return "never";
  if (seconds < 1.5) return "just now";
  if (seconds < 120) return `${Math.round(seconds)} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}

/** How long something has lasted, from seconds. */
export function lasted(seconds) {
  if (seconds < 120) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/** A count with its word. */
export const count = (number, word) => `${whole(number)} ${word}${number === 1 ? "" : "s"}`;
