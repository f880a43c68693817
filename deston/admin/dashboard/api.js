// The JSON API: requests with the token, and what went wrong as an error with sentences.

const V1 = "/api/v1";
const KEY = "deston.token";

/** What the API refused, or that it could not be reached (`status` is 0). */
export class Refused extends Error {
  constructor(status, sentence, errors = []) {
    super(sentence);
    this.status = status;
    this.errors = errors;
  }
}

/** Keep a token for as long as this tab is open. */
export function keepToken(token) {
  if (token) sessionStorage.setItem(KEY, token);
  else sessionStorage.removeItem(KEY);
}

async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  const token = sessionStorage.getItem(KEY);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(V1 + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10000),
    });
  } catch {
    throw new Refused(0, "the admin process does not answer");
  }
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, told.detail || response.statusText, told.errors || []);
  return told;
}

const pool = (name) => `/pools/${encodeURIComponent(name)}`;
const server = (of, name) => `${pool(of)}/servers/${encodeURIComponent(name)}`;

export const status = () => ask("GET", "/status");
export const sessions = (wanted) => ask("GET", `/sessions?${new URLSearchParams(wanted)}`);
export const endSession = (id) => ask("DELETE", `/sessions/${encodeURIComponent(id)}`);
export const reload = () => ask("POST", "/reload", {});
export const changePool = (name, changes) => ask("PATCH", pool(name), changes);
export const resetPool = (name) => ask("POST", `${pool(name)}/reset`, {});
export const addServer = (of, wanted) => ask("POST", `${pool(of)}/servers`, wanted);
export const changeServer = (of, name, changes) => ask("PATCH", server(of, name), changes);
export const removeServer = (of, name) => ask("DELETE", server(of, name));
export const resetServer = (of, name) => ask("POST", `${server(of, name)}/reset`, {});
