// Trade: the ticket, what every pool would pay for it while it is typed, and the progress of what was placed.

import { fill, h } from "../lib/dom.js";
import { comparison } from "../parts/comparison.js";
import { problemBox } from "../parts/bits.js";
import { progressCard } from "../parts/progress.js";
import { ticket } from "../parts/ticket.js";
import { quoteRequest } from "../state/draft.js";
import { allTokens } from "../state/market.js";
import { orders } from "../state/orders.js";
import { place } from "../state/place.js";
import { connection, follow } from "../state/stream.js";

// A pause in typing: what stands there then is meant.
const TYPED_MS = 180;
const MOST_CARDS = 10;

// Placed from this page, newest first.
const placed = [];

export function mountTrade(main) {
  const quotes = comparison();
  const desk = h("div", { class: "desk" });
  const cards = h("div", { class: "cards" });
  const done = h("p", { class: "visually-hidden", role: "status" });
  const recent = h("section", { class: "placed", "aria-label": "Placed from this page" }, h("h2", {}, "Placed from this page"), cards);
  recent.hidden = placed.length === 0;
  main.append(h("h1", { tabindex: "-1", class: "visually-hidden" }, "Trade"), desk, done);
  quotes.show(null);

  let unfollow = null;
  let asked = "";
  let typing = null;
  let form = null;

  function quote() {
    const wanted = quoteRequest();
    const text = JSON.stringify(wanted);
    if (text === asked) return;
    asked = text;
    unfollow?.();
    unfollow = null;
    if (!wanted) {
      form.tell(null);
      quotes.show(null);
      return;
    }
    quotes.element.dataset.stale = "";
    unfollow = follow(
      () => ({ channel: "quotes", quote: wanted }),
      (message) => {
        if (text !== asked) return;
        if (message.type === "quotes") {
          delete quotes.element.dataset.stale;
          form.tell(message);
          quotes.show(message);
        } else if (message.type === "problem") {
          form.tell(null);
          quotes.fail(message.problem);
        }
      },
    );
  }

  function edited() {
    clearTimeout(typing);
    typing = setTimeout(quote, TYPED_MS);
  }

  async function submit(order, count) {
    const answers = await Promise.allSettled(Array.from({ length: count }, () => place(order)));
    const accepted = answers.filter(({ status }) => status === "fulfilled").map(({ value }) => value);
    for (const each of accepted) placed.unshift(each.orderId);
    placed.splice(MOST_CARDS);
    list();
    if (accepted.length) {
      done.textContent = accepted.length === 1 ? "Order accepted" : `${accepted.length} orders accepted`;
      if (cards.getBoundingClientRect().top > innerHeight - 120) recent.scrollIntoView({ block: "start", behavior: "smooth" });
    }
    const failed = answers.find(({ status }) => status === "rejected");
    if (failed) throw failed.reason;
  }

  const shown = new Map();
  function list() {
    // An order that newer ones have pushed out of the page's memory is found in the list of the API.
    for (let at = placed.length - 1; at >= 0; at -= 1) if (!orders.get(placed[at])) placed.splice(at, 1);
    for (const id of placed) if (!shown.has(id)) shown.set(id, progressCard(id));
    for (const id of shown.keys()) if (!placed.includes(id)) shown.delete(id);
    fill(cards, placed.map((id) => shown.get(id).element));
    recent.hidden = placed.length === 0;
  }

  const unlisten = orders.onchange(() => {
    for (const { draw } of shown.values()) draw();
  });
  const unwatch = connection.onchange((state) => {
    if (state !== "live") quotes.element.dataset.stale = "";
  });
  allTokens().then(
    (tokens) => {
      form = ticket(tokens, { changed: edited, submit });
      fill(desk, form.element, h("div", { class: "beside" }, quotes.element, recent));
      quote();
    },
    (problem) => fill(desk, problemBox(problem)),
  );
  list();
  return () => {
    clearTimeout(typing);
    unfollow?.();
    unlisten();
    unwatch();
  };
}
