// Light, dark, or as the system says.

const KEY = "order-engine.theme";
const THEMES = ["auto", "light", "dark"];

export function startTheme(button) {
  const chosen = () => document.documentElement.dataset.theme ?? "auto";
  const tell = () => {
    button.dataset.chosen = chosen();
    button.setAttribute("aria-label", `Theme: ${chosen()}`);
    button.title = `Theme: ${chosen()}`;
  };
  button.onclick = () => {
    const next = THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length];
    if (next === "auto") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem(KEY);
    } else {
      document.documentElement.dataset.theme = next;
      localStorage.setItem(KEY, next);
    }
    tell();
  };
  tell();
}
