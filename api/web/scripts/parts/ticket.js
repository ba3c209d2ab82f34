// The order ticket: what to sell for what, how, and the buttons that place it.

import { compare, parse, scaled } from "../lib/decimal.js";
import { fill, h, say } from "../lib/dom.js";
import { amount, rate } from "../lib/format.js";
import { PRICED, buys, draft, mostToPay, orderRequest } from "../state/draft.js";
import { TYPES, problemText } from "./bits.js";
import { choices, decimalInput, field, localMoment, slippageChoice } from "./fields.js";

const HINTS = {
  market: () => "",
  limit: ({ limitPrice, pair }) => `Trades once one pool pays ${limitPrice || "…"} ${pair} or more.`,
  stop: ({ stopPrice }) => `Trades at the market once the price falls to ${stopPrice || "…"}.`,
  stop_limit: ({ stopPrice, limitPrice }) => `Once the price falls to ${stopPrice || "…"}, trades for ${limitPrice || "…"} or more.`,
  take_profit: ({ stopPrice }) => `Trades at the market once the price rises to ${stopPrice || "…"}.`,
};
const FORCES = { gtc: "Until it is canceled", gtd: "Until…", day: "Today (UTC)", ioc: "At once or not at all" };
// Who waits for a trigger cannot do so at once.
const RESTS = ["gtc", "gtd", "day"];
const DAY_MS = 86_400_000;

// `tokens` are the tradable ones; `changed` is told after each edit; `submit(order, count)` places and may reject.
export function ticket(tokens, { changed, submit }) {
  let latest = null;
  const output = h("output", { class: "amount", for: "amount", id: "counterpart" }, "–");
  const price = h("p", { class: "rate" });
  const guard = h("p", { class: "guard" });
  const trouble = h("div", { class: "problem", role: "alert" });
  const sell = picker("Token to sell", "tokenIn");
  const buy = picker("Token to get", "tokenOut");
  const input = decimalInput(draft.amount, (value) => edit("amount", value), { id: "amount", class: "amount", "data-slash": "", "aria-describedby": "amount-problem" });
  const amountProblem = h("p", { id: "amount-problem", class: "problem" });
  const flip = h("button", { type: "button", class: "flip", "aria-label": "Swap the two tokens", title: "Swap the two tokens" }, "⇅");
  flip.onclick = () => {
    [draft.tokenIn, draft.tokenOut] = [draft.tokenOut, draft.tokenIn];
    sync();
    changed();
  };
  const [sides] = choices("Which amount is exact", "exact", [["in", "Sell exactly"], ["out", "Buy exactly"]], draft.exact, turn, true);
  const selling = h("div", { class: "side" });
  const buying = h("div", { class: "side" });
  const prices = h("div", { class: "prices" });
  const hint = h("p", { class: "hint", id: "type-hint" });
  const [types] = choices("Order type", "type", Object.entries(TYPES), draft.type, (value) => {
    draft.type = value;
    drawPrices();
    changed();
  });
  const slippage = slippageChoice(draft.slippageBps, (value) => {
    draft.slippageBps = value;
    changed();
  });
  const wallet = h("input", { value: draft.wallet, autocomplete: "off", spellcheck: "false" });
  wallet.oninput = () => edit("wallet", wallet.value);
  const one = h("button", { class: "primary", type: "submit" }, "Place order");
  // The second press of a double click is the same wish, however soon the first was answered.
  one.onclick = (event) => {
    if (event.detail > 1) event.preventDefault();
  };
  const five = h("button", { type: "button", title: "The same order five times at once" }, "Place 5");
  const form = h(
    "form",
    { class: "ticket card", "aria-label": "New order", novalidate: true },
    sides,
    selling,
    flip,
    buying,
    amountProblem,
    price,
    types,
    prices,
    hint,
    slippage,
    h("details", {}, h("summary", {}, "More"), field("wallet", "Wallet", wallet)),
    guard,
    trouble,
    h("div", { class: "buttons" }, one, five),
  );

  function edit(name, value) {
    draft[name] = value;
    fill(trouble);
    checkAmount();
    drawHint();
    drawGuard();
    changed();
  }

  function picker(label, name) {
    const select = h("select", { "aria-label": label }, tokens.map(({ symbol }) => h("option", { value: symbol }, symbol)));
    select.onchange = () => {
      const other = name === "tokenIn" ? "tokenOut" : "tokenIn";
      if (draft[other] === select.value) draft[other] = draft[name];
      draft[name] = select.value;
      sync();
      changed();
    };
    return select;
  }

  // The same trade from its other side: what was the answer becomes the question.
  function turn(exact) {
    const counterpart = latest?.decision && (exact === "out" ? latest.decision.amountOut : latest.decision.amountIn);
    Object.assign(draft, { exact, maxAmountIn: "", amount: counterpart || draft.amount });
    input.value = draft.amount;
    sync();
    changed();
  }

  function sync() {
    sell.value = draft.tokenIn;
    buy.value = draft.tokenOut;
    const label = (exact, about) => (exact ? h("label", { for: "amount" }, about[0]) : h("label", { for: "counterpart" }, about[1]));
    fill(selling, label(!buys(), ["You sell", "You pay, about"]), buys() ? output : input, sell);
    fill(buying, label(buys(), ["You buy", "You get, about"]), buys() ? input : output, buy);
    checkAmount();
    drawPrices();
  }

  function exactToken() {
    return tokens.find(({ symbol }) => symbol === (buys() ? draft.tokenOut : draft.tokenIn));
  }

  function checkAmount() {
    const parsed = parse(draft.amount);
    const token = exactToken();
    let wrong = "";
    if (!parsed || parsed.digits <= 0n) wrong = "Enter an amount, such as 1.5.";
    else if (token && compare(parsed, { digits: scaled(parsed, token.decimals), places: token.decimals }) !== 0) {
      wrong = `${token.symbol} has ${token.decimals} decimals.`;
    }
    say(amountProblem, wrong);
    input.setAttribute("aria-invalid", wrong ? "true" : "false");
    return !wrong;
  }

  function drawPrices() {
    const waits = draft.type !== "market";
    const forces = draft.type === "limit" ? Object.keys(FORCES) : RESTS;
    if (!forces.includes(draft.timeInForce)) draft.timeInForce = "gtc";
    fill(prices, PRICED[draft.type].map(priceField), waits && forceField(forces), waits && draft.timeInForce === "gtd" && endField(), buys() && mostField());
    drawHint();
    drawGuard();
  }

  function priceField(name) {
    const typed = decimalInput(draft[name], (value) => edit(name, value), { "aria-describedby": "type-hint", placeholder: latest?.decision ? rate(latest.decision.amountOut, latest.decision.amountIn).replaceAll(",", "") : null });
    return field(name, name === "limitPrice" ? "Limit price" : "Trigger price", typed, `${draft.tokenOut} per ${draft.tokenIn}`);
  }

  function forceField(forces) {
    const select = h("select", {}, forces.map((value) => h("option", { value }, FORCES[value])));
    select.value = draft.timeInForce;
    select.onchange = () => {
      draft.timeInForce = select.value;
      drawPrices();
    };
    return field("timeInForce", "Good", select);
  }

  function endField() {
    draft.expireAt ||= localMoment(Date.now() + DAY_MS);
    const end = h("input", { type: "datetime-local", value: draft.expireAt });
    end.oninput = () => edit("expireAt", end.value);
    return field("expireAt", "Until, in your time", end);
  }

  function mostField() {
    return field("maxAmountIn", "Pay at most", decimalInput(draft.maxAmountIn, (value) => edit("maxAmountIn", value)), draft.tokenIn);
  }

  function suggested() {
    return mostToPay(latest?.decision, tokens.find(({ symbol }) => symbol === draft.tokenIn));
  }

  function drawHint() {
    say(hint, HINTS[draft.type]({ ...draft, pair: `${draft.tokenOut} per ${draft.tokenIn}` }));
  }

  function drawGuard() {
    const decision = latest?.decision;
    const most = form.querySelector("#maxAmountIn");
    if (most) most.placeholder = suggested();
    let promise = "";
    if (buys()) promise = draft.maxAmountIn.trim() || suggested();
    else if (decision && draft.type === "market") promise = decision.leastOut;
    const terms = buys() ? `You pay at most ${amount(promise)} ${draft.tokenIn}` : `You get at least ${amount(promise)} ${draft.tokenOut}`;
    say(guard, promise ? `${terms}, or nothing is traded.` : "");
  }

  async function send(count) {
    if (!checkAmount()) return input.focus();
    fill(trouble);
    for (const each of form.querySelectorAll("[aria-invalid=true]")) each.setAttribute("aria-invalid", "false");
    // A second press while the first is under way is the same wish.
    one.disabled = five.disabled = true;
    try {
      await submit(orderRequest(suggested()), count);
    } catch (problem) {
      fill(trouble, problemText(problem));
      for (const { field: name } of problem.errors ?? []) form.querySelector(`#${CSS.escape(name)}`)?.setAttribute("aria-invalid", "true");
    } finally {
      one.disabled = five.disabled = false;
    }
  }
  form.onsubmit = (event) => {
    event.preventDefault();
    send(1);
  };
  five.onclick = () => send(5);
  form.onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(1);
  };
  sync();

  return {
    element: form,
    // What the quote says of the ticket: the other amount, its price, and what is guaranteed.
    tell(quote) {
      latest = quote;
      const decision = quote?.decision;
      say(output, decision ? amount(buys() ? decision.amountIn : decision.amountOut) : "–");
      say(price, decision ? `1 ${quote.tokenIn} = ${rate(decision.amountOut, decision.amountIn)} ${quote.tokenOut}` : "");
      drawGuard();
    },
  };
}
