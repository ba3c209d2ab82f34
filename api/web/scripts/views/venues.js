// Venues: the pools of a pair, and which of them pays most for which size.

import { fill, h, say } from "../lib/dom.js";
import { amount, clock, dayAndClock, words } from "../lib/format.js";
import { depthPicture } from "../parts/depth.js";
import { address, poolName, problemText } from "../parts/bits.js";
import { get } from "../state/api.js";
import { allTokens } from "../state/market.js";

const EVERY_MS = 5_000;

// Kept while the page is open.
const pair = { tokenIn: "SOL", tokenOut: "USDC" };

export function mountVenues(main) {
  const pickers = h("div", { class: "pair" });
  const state = h("p", { class: "quiet", role: "status" });
  const trouble = h("div", { class: "problem" });
  const depth = depthPicture();
  const list = h("section", { class: "card" });
  main.append(h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, "Venues"), pickers, state), trouble, depth.element, list);
  depth.element.hidden = list.hidden = true;
  let timer = null;
  let asking = null;

  async function read() {
    clearTimeout(timer);
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    try {
      const query = new URLSearchParams(pair);
      const pools = await get(`/api/pools?${query}`, { signal: mine.signal });
      fill(trouble);
      depth.element.hidden = !pools.sizes.length;
      list.hidden = false;
      say(state, `Slot ${amount(`${pools.slot}`)}, read at ${clock(pools.readAt)}`);
      depth.show(pools);
      fill(list, table(pools));
    } catch (problem) {
      if (mine.signal.aborted) return;
      fill(trouble, problemText(problem));
    }
    if (!mine.signal.aborted) timer = setTimeout(again, EVERY_MS);
  }

  // Nobody looks at a hidden page.
  function again() {
    if (document.hidden) timer = setTimeout(again, EVERY_MS);
    else read();
  }

  allTokens().then(
    (tokens) => {
      const select = (label, name) => {
        const element = h("select", { "aria-label": label }, tokens.map(({ symbol }) => h("option", { value: symbol }, symbol)));
        element.onchange = () => {
          const other = name === "tokenIn" ? "tokenOut" : "tokenIn";
          if (pair[other] === element.value) pair[other] = pair[name];
          pair[name] = element.value;
          show();
        };
        return element;
      };
      const sell = select("Token to sell", "tokenIn");
      const buy = select("Token to get", "tokenOut");
      const flip = h("button", { type: "button", class: "flip", "aria-label": "Swap the two tokens" }, "⇄");
      flip.onclick = () => {
        [pair.tokenIn, pair.tokenOut] = [pair.tokenOut, pair.tokenIn];
        show();
      };
      const show = () => {
        sell.value = pair.tokenIn;
        buy.value = pair.tokenOut;
        read();
      };
      fill(pickers, h("span", {}, "Sell"), sell, flip, h("span", {}, "for"), buy);
      show();
    },
    (problem) => fill(trouble, problemText(problem)),
  );
  return () => {
    clearTimeout(timer);
    asking?.abort();
  };
}

function table(pools) {
  const titles = ["Pool", "Address", `Price, ${pools.tokenOut}`, `Holds, ${pools.tokenIn}`, `Holds, ${pools.tokenOut}`, "Fee, bps", "Known since"];
  return [
    h("h2", {}, `${pools.pools.length} ${pools.pools.length === 1 ? "pool" : "pools"}`),
    h(
      "div",
      { class: "scroller", tabindex: "0", role: "region", "aria-label": "Pools of the pair" },
      h(
        "table",
        { class: "plain" },
        h("thead", {}, h("tr", {}, titles.map((title, at) => h("th", { scope: "col", class: at > 1 ? "number" : null }, title)))),
        h(
          "tbody",
          {},
          pools.pools.map((each) => row(each)),
          pools.excluded.map((each) => h("tr", { class: "refused" }, h("th", { scope: "row" }, poolName(each)), h("td", {}, address(each.pool)), h("td", { colspan: 5 }, `not quoted: ${words(each.reason)}${each.detail ? `, ${each.detail}` : ""}`))),
        ),
      ),
    ),
  ];
}

function row(of) {
  const known = of.knownSince ? dayAndClock(of.knownSince) : "–";
  const head = [h("th", { scope: "row" }, poolName(of)), h("td", {}, address(of.pool))];
  if (of.reason) return h("tr", { class: "refused" }, head, h("td", { colspan: 4 }, `gives no quote: ${words(of.reason)}`), h("td", { class: "number" }, known));
  const cells = [amount(of.price, 8), amount(of.depthIn, 6), amount(of.depthOut, 6), of.feeBps ?? "–", known];
  return h("tr", {}, head, cells.map((cell) => h("td", { class: "number" }, cell)));
}
