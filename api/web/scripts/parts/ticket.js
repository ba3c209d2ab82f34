// The order ticket: what to sell for what, how, and the buttons that place it.

import { fill, h, say } from "../lib/dom.js";
import { compare, parse, scaled } from "../lib/decimal.js";
import { amount, percent, rate } from "../lib/format.js";
import { TYPES, problemText } from "./bits.js";

const SLIPPAGES = ["10", "50", "100"];
const HINTS = {
  market: () => "",
  limit: ({ limitPrice, pair }) => `Trades once one pool pays ${limitPrice || "…"} ${pair} or more.`,
  stop: ({ stopPrice }) => `Trades at the market once the price falls to ${stopPrice || "…"}.`,
  stop_limit: ({ stopPrice, limitPrice }) => `Once the price falls to ${stopPrice || "…"}, trades for ${limitPrice || "…"} or more.`,
  take_profit: ({ stopPrice }) => `Trades at the market once the price rises to ${stopPrice || "…"}.`,
};
const FORCES = { gtc: "Until it is canceled", day: "Today (UTC)", ioc: "At once or not at all" };
const PRICED = { limit: ["limitPrice"], stop: ["stopPrice"], stop_limit: ["stopPrice", "limitPrice"], take_profit: ["stopPrice"] };

// Kept while the page is open, whatever view is shown.
const draft = {
  tokenIn: "SOL",
  tokenOut: "USDC",
  amount: "1",
  type: "market",
  slippageBps: "50",
  limitPrice: "",
  stopPrice: "",
  wallet: "default",
  timeInForce: "gtc",
};

// What the API is asked to quote, null while the ticket is not complete.
export function quoteRequest() {
  const wanted = parse(draft.amount);
  if (!wanted || wanted.digits <= 0n || draft.tokenIn === draft.tokenOut || !draft.slippageBps) return null;
  return { tokenIn: draft.tokenIn, tokenOut: draft.tokenOut, amount: draft.amount.trim(), slippageBps: bpsOf(draft) };
}

function orderRequest() {
  const order = { ...quoteRequest(), wallet: draft.wallet.trim() };
  if (draft.type !== "market") Object.assign(order, { type: draft.type, timeInForce: draft.timeInForce });
  for (const name of PRICED[draft.type] ?? []) order[name] = draft[name].trim();
  return order;
}

function bpsOf({ slippageBps }) {
  return parseInt(slippageBps, 10);
}

// `tokens` are the tradable ones; `changed` is told after each edit; `submit(order, count)` places and may reject.
export function ticket(tokens, { changed, submit }) {
  const out = h("output", { class: "amount", for: "amount", id: "receive" }, "–");
  const price = h("p", { class: "rate" });
  const guard = h("p", { class: "guard" });
  const trouble = h("div", { class: "problem", role: "alert" });
  const sell = picker("Token to sell", tokens, "tokenIn");
  const buy = picker("Token to get", tokens, "tokenOut");
  const field = h("input", {
    id: "amount",
    class: "amount",
    inputmode: "decimal",
    autocomplete: "off",
    value: draft.amount,
    "data-slash": "",
    "aria-describedby": "amount-problem",
  });
  field.oninput = () => edit("amount", field.value);
  const amountProblem = h("p", { id: "amount-problem", class: "problem" });
  const flip = h("button", { type: "button", class: "flip", "aria-label": "Swap the two tokens", title: "Swap the two tokens" }, "⇅");
  flip.onclick = () => {
    [draft.tokenIn, draft.tokenOut] = [draft.tokenOut, draft.tokenIn];
    sync();
    changed();
  };
  const prices = h("div", { class: "prices" });
  const hint = h("p", { class: "hint", id: "type-hint" });
  const [types] = choices("Order type", "type", Object.entries(TYPES), draft.type, (value) => {
    draft.type = value;
    drawPrices();
    changed();
  });
  const force = forceField();
  const slippage = slippageChoice(() => changed());
  const wallet = h("input", { id: "wallet", value: draft.wallet, autocomplete: "off", spellcheck: "false" });
  wallet.oninput = () => edit("wallet", wallet.value);
  const one = h("button", { class: "primary", type: "submit" }, "Place order");
  const five = h("button", { type: "button", title: "The same order five times at once" }, "Place 5");
  const form = h(
    "form",
    { class: "ticket card", "aria-label": "New order", novalidate: true },
    h("div", { class: "side" }, h("label", { for: "amount" }, "You sell"), field, sell),
    amountProblem,
    flip,
    h("div", { class: "side" }, h("label", { for: "receive" }, "You get, about"), out, buy),
    price,
    types,
    prices,
    hint,
    slippage,
    h("details", {}, h("summary", {}, "More"), h("label", { for: "wallet" }, "Wallet"), wallet),
    guard,
    trouble,
    h("div", { class: "buttons" }, one, five),
  );

  function edit(name, value) {
    draft[name] = value;
    fill(trouble);
    checkAmount();
    drawHint();
    changed();
  }

  function picker(label, of, name) {
    const select = h("select", { "aria-label": label }, of.map(({ symbol }) => h("option", { value: symbol }, symbol)));
    select.onchange = () => {
      const other = name === "tokenIn" ? "tokenOut" : "tokenIn";
      if (draft[other] === select.value) draft[other] = draft[name];
      draft[name] = select.value;
      sync();
      changed();
    };
    return select;
  }

  function sync() {
    sell.value = draft.tokenIn;
    buy.value = draft.tokenOut;
    checkAmount();
    drawPrices();
  }

  function checkAmount() {
    const parsed = parse(draft.amount);
    const token = tokens.find(({ symbol }) => symbol === draft.tokenIn);
    let wrong = "";
    if (!parsed || parsed.digits <= 0n) wrong = "Enter an amount, such as 1.5.";
    else if (token && compare(parsed, { digits: scaled(parsed, token.decimals), places: token.decimals }) !== 0) {
      wrong = `${token.symbol} has ${token.decimals} decimals.`;
    }
    say(amountProblem, wrong);
    field.setAttribute("aria-invalid", wrong ? "true" : "false");
    return !wrong;
  }

  function drawPrices() {
    fill(prices, (PRICED[draft.type] ?? []).map((name) => priceField(name)), draft.type === "market" ? null : force);
    drawHint();
  }

  function priceField(name) {
    const input = h("input", { id: name, inputmode: "decimal", autocomplete: "off", value: draft[name], "aria-describedby": "type-hint" });
    input.oninput = () => edit(name, input.value);
    const label = name === "limitPrice" ? "Limit price" : "Trigger price";
    return h("div", {}, h("label", { for: name }, label), h("div", { class: "unit" }, input, h("span", {}, `${draft.tokenOut} per ${draft.tokenIn}`)));
  }

  function drawHint() {
    say(hint, HINTS[draft.type]({ ...draft, pair: `${draft.tokenOut} per ${draft.tokenIn}` }));
  }

  async function send(count) {
    if (!checkAmount()) return field.focus();
    fill(trouble);
    // A second press while the first is under way is the same wish.
    one.disabled = five.disabled = true;
    try {
      await submit(orderRequest(), count);
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
    // What the quote says of the ticket: the amount to get, its price, and the least that slippage leaves.
    tell(quote) {
      const decision = quote?.decision;
      say(out, decision ? amount(decision.amountOut) : "–");
      say(price, decision ? `1 ${quote.tokenIn} = ${rate(decision.amountOut, quote.amount)} ${quote.tokenOut}` : "");
      const least = decision && draft.type === "market";
      say(guard, least ? `You get at least ${amount(decision.leastOut)} ${quote.tokenOut}, or nothing is traded.` : "");
    },
  };
}

function choices(legend, name, options, chosen, pick) {
  const box = h(
    "fieldset",
    { class: `choices ${name}` },
    h("legend", {}, legend),
    options.map(([value, title]) => {
      const input = h("input", { type: "radio", name, value, id: `${name}-${value}` });
      input.checked = value === chosen;
      input.onchange = () => pick(value);
      return [input, h("label", { for: `${name}-${value}` }, title)];
    }),
  );
  return [box, box.querySelectorAll("input")];
}

function forceField() {
  const select = h("select", { id: "timeInForce" }, Object.entries(FORCES).map(([value, title]) => h("option", { value }, title)));
  select.value = draft.timeInForce;
  select.onchange = () => {
    draft.timeInForce = select.value;
  };
  return h("div", {}, h("label", { for: "timeInForce" }, "Good"), select);
}

function slippageChoice(changed) {
  const own = h("input", {
    class: "own",
    inputmode: "decimal",
    autocomplete: "off",
    placeholder: "own",
    "aria-label": "Slippage of your own, in percent",
    id: "slippageBps",
  });
  const set = (value) => {
    draft.slippageBps = value;
    changed();
  };
  const [box, radios] = choices("Slippage at most", "slippage", SLIPPAGES.map((each) => [each, percent(each)]), draft.slippageBps, (value) => {
    own.value = "";
    set(value);
  });
  if (!SLIPPAGES.includes(draft.slippageBps)) own.value = draft.slippageBps && percent(draft.slippageBps).slice(0, -1);
  own.oninput = () => {
    const parsed = parse(own.value);
    for (const radio of radios) radio.checked = false;
    const fits = parsed && parsed.digits >= 0n && scaled(parsed, 2) <= 10_000n;
    own.setAttribute("aria-invalid", fits ? "false" : "true");
    set(fits ? `${scaled(parsed, 2)}` : "");
  };
  box.append(h("span", { class: "unit" }, own, h("span", {}, "%")));
  return box;
}
