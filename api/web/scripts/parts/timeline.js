// The steps of an order's life in order, each with what it brought and the time since the one before.

import { h } from "../lib/dom.js";
import { amount, between, clock, kind, sentence, short, venue, words } from "../lib/format.js";
import { statusWord } from "./bits.js";

export function timeline(order, events) {
  return [
    h("h2", {}, "What happened"),
    h(
      "ol",
      { class: "timeline" },
      events.map((event, at) =>
        h(
          "li",
          { class: `${event.status}${event.reason ? " setback" : ""}` },
          h("time", { datetime: event.at }, clock(event.at)),
          h("span", { class: "since" }, at ? `+${between(events[at - 1].at, event.at)}` : ""),
          h("div", {}, h("strong", {}, heading(event)), h("p", {}, told(order, event))),
        ),
      ),
    ),
  ];
}

function heading(event) {
  if (event.data.amended) return "Changed";
  if (event.status === "routing") return event.reason ? `Nothing traded; attempt ${event.attempt} begins` : "Quoting both venues";
  if (event.status === "building") return `Route: ${venue(event.venue)} ${kind(event.data.kind)}`;
  return { pending: "Accepted", submitted: "Signed and sent", confirmed: "Landed", open: "Waiting" }[event.status] ?? statusWord(event.status);
}

function told(order, event) {
  const { data } = event;
  if (event.reason) return `${words(event.reason)}${data.detail ? `: ${sentence(data.detail)}` : ""}`;
  if (event.status === "pending") return "Durable: whatever fails from here on, it comes to an end.";
  if (data.amended) return `${Object.entries(data.amended).map(([name, value]) => `${spaced(name)} ${value}`).join(", ")}.`;
  if (event.status === "open") return "It rests until its price is there.";
  if (event.status === "routing") return "Every pool of the pair is read at one slot.";
  if (event.status === "building") return sentence(data.why ?? "");
  if (event.status === "submitted") return `Transaction ${short(event.signature, 8)} was recorded, then sent until the chain answered.`;
  if (event.status === "confirmed") return `${amount(event.filledIn)} ${order.tokenIn} became ${amount(event.filledOut)} ${order.tokenOut}, read from the chain.`;
  return data.detail ?? "";
}

// "limitPrice" as people write it.
function spaced(name) {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
