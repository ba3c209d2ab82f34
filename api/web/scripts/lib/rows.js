// A table of thousands of rows, of which only those in sight exist. Rows have one height, which the style says.

import { h, soon } from "./dom.js";

// Rows beyond the edges, so that scrolling never shows an empty one.
const SPARE = 8;

// `columns` are [title, class]; `draw(item, cells, row)` fills a row for an item; `open(item)` is what Enter and a click do.
export function rowsOf(label, columns, { keyOf, draw, open, nearEnd }) {
  const body = h("tbody");
  const table = h(
    "table",
    { "aria-label": label },
    h("thead", {}, h("tr", {}, columns.map(([title, style]) => h("th", { scope: "col", class: style }, title)))),
    body,
  );
  const frame = h("div", { class: "rows", "data-rows": "", tabindex: "0", role: "region", "aria-label": label }, table);
  const above = h("tr", { class: "spacer", "aria-hidden": "true" }, h("td", { colspan: columns.length }));
  const below = h("tr", { class: "spacer", "aria-hidden": "true" }, h("td", { colspan: columns.length }));
  body.append(above, below);
  let items = [];
  let height = 0;
  const used = new Map();
  const free = [];

  function draws() {
    if (!frame.isConnected) return;
    height = height || measured();
    const first = Math.max(0, Math.floor(frame.scrollTop / height) - SPARE);
    const last = Math.min(items.length, Math.ceil((frame.scrollTop + frame.clientHeight) / height) + SPARE);
    const wanted = new Set();
    for (let at = first; at < last; at += 1) wanted.add(keyOf(items[at]));
    for (const [key, row] of used) {
      // What has the focus stays, else the keyboard would lose its place.
      if (wanted.has(key) || row.contains(document.activeElement)) continue;
      used.delete(key);
      row.remove();
      free.push(row);
    }
    let before = above;
    for (let at = first; at < last; at += 1) {
      const key = keyOf(items[at]);
      const row = used.get(key) ?? free.pop() ?? made();
      used.set(key, row);
      row.item = items[at];
      row.setAttribute("aria-rowindex", at + 2);
      if (before.nextSibling !== row) before.after(row);
      draw(items[at], row.children, row);
      before = row;
    }
    table.setAttribute("aria-rowcount", items.length + 1);
    tall(above, first * height);
    tall(below, (items.length - last) * height);
    if (last >= items.length - SPARE) nearEnd?.();
  }

  function made() {
    const row = h("tr", { tabindex: "-1" }, columns.map(([, style]) => h("td", { class: style })));
    row.onclick = (event) => {
      if (!event.target.closest("button, a") && getSelection().isCollapsed) open(row.item);
    };
    return row;
  }

  // The height that the style gives a row here: it is another one on a telephone.
  function measured() {
    return Math.round(parseInt(getComputedStyle(frame).getPropertyValue("--row"), 10)) || 44;
  }

  frame.addEventListener("scroll", () => soon(draws), { passive: true });
  frame.addEventListener("step", ({ detail }) => {
    const focused = document.activeElement.closest("tr");
    const at = focused?.item ? items.indexOf(focused.item) + detail : 0;
    if (at < 0 || at >= items.length) return;
    const top = at * height;
    if (top < frame.scrollTop || top + 2 * height > frame.scrollTop + frame.clientHeight) frame.scrollTop = top - height;
    draws();
    used.get(keyOf(items[at]))?.focus({ preventScroll: true });
  });
  frame.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && row) {
      event.preventDefault();
      frame.dispatchEvent(new CustomEvent("step", { detail: step }));
    } else if (event.key === "Enter" && row?.item && !event.target.closest("button, a")) open(row.item);
  });
  const resized = new ResizeObserver(() => {
    height = 0;
    soon(draws);
  });
  resized.observe(frame);

  return {
    element: frame,
    show(shown) {
      items = shown;
      soon(draws);
    },
    end: () => resized.disconnect(),
  };
}

function tall(spacer, height) {
  spacer.hidden = height <= 0;
  spacer.firstChild.style.height = `${height}px`;
}
