// Pictures of lines, from exact decimals to places on the screen. Places are hundredths of a pixel, as BigInts: amounts
// never pass through a JavaScript number, not even on their way to a picture.

import { svg } from "./dom.js";

export const WIDTH = 720;

// The place of a value between `low` and `high` on a stretch of that many pixels, as the text of a coordinate.
export function placed(value, low, high, pixels, from = 0) {
  const span = high - low || 1n;
  const hundredths = ((value - low) * BigInt(pixels * 100)) / span + BigInt(from * 100);
  const sign = hundredths < 0n ? "-" : "";
  const digits = `${hundredths < 0n ? -hundredths : hundredths}`.padStart(3, "0");
  return `${sign}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

// A path through [x, y] texts; null breaks it.
export function path(points) {
  let pen = "M";
  const parts = [];
  for (const point of points) {
    if (point === null) {
      pen = "M";
      continue;
    }
    parts.push(`${pen}${point[0]} ${point[1]}`);
    pen = "L";
  }
  return parts.join("");
}

// The drawing of a figure, as wide as its frame; `label` says in words what is to be seen.
export function picture(height, label, ...children) {
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${height}`, height, role: "img", "aria-label": label, class: "chart", preserveAspectRatio: "none" },
    children,
  );
}

// Hues of the venues, and dashes of their pools: colours alone must not tell them apart.
const DASHES = ["", "7 4", "2 4", "12 4 2 4", "1 6", "10 3 3 3"];

export function strokes(pools) {
  const counted = {};
  return pools.map(({ venue }) => {
    const number = counted[venue] ?? 0;
    counted[venue] = number + 1;
    return { class: `line ${venue}`, dash: DASHES[number % DASHES.length] };
  });
}

// A short stroke for the legend.
export function sample({ class: style, dash }) {
  return svg("svg", { viewBox: "0 0 28 8", class: "sample", "aria-hidden": "true" }, svg("path", { d: "M1 4L27 4", class: style, "stroke-dasharray": dash }));
}
