// Light, dark, or as the system has it.

const KEY = "deston.theme";
const NEXT = { auto: "dark", dark: "light", light: "auto" };

let chosen = localStorage.getItem(KEY) ?? "auto";
const listeners = [];

function apply(button) {
  document.documentElement.style.colorScheme = chosen === "auto" ? "" : chosen;
  button.textContent = `◐ ${chosen}`;
  button.setAttribute("aria-label", `Theme: ${chosen}`);
  for (const listener of listeners) listener();
}

/** Have a button change the theme. */
export function install(button) {
  if (!(chosen in NEXT)) chosen = "auto";
  apply(button);
  button.addEventListener("click", () => {
    chosen = NEXT[chosen];
    localStorage.setItem(KEY, chosen);
    apply(button);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(button));
}

/** Be told when colours have changed. */
export const onChange = (listener) => listeners.push(listener);

/** A colour of the style sheet as a canvas needs it. */
export function colour(name) {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(--${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
