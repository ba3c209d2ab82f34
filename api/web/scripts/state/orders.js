// The orders of the account, newest first: read once in pages, then kept by the stream. Bounded, whatever happens.

import { soon } from "../lib/dom.js";
import { get } from "./api.js";
import { follow } from "./stream.js";

// Older ones are left to the API, which has them all.
const MOST_ORDERS = 5_000;
const PAGE = 200;

// The events of so many orders are kept, for whoever opens one a moment later.
const MOST_HISTORIES = 200;

// New orders appear in bursts: they are read together.
const GATHER_MS = 150;

// What the newest page did not have is read one by one, so many at a time.
const MOST_SINGLE = 20;

// A subscription that was refused, as without a database, is asked for again.
const RESUME_MS = 2_000;

export const TERMINAL = new Set(["confirmed", "failed", "rejected", "canceled", "expired"]);

const byId = new Map();
let newestFirst = [];
let sorted = true;
let cursor = null;
let position = null;
let loading = null;
let gathering = null;
const histories = new Map();
// Orders of which there was an event and that have not been read yet.
const unknown = new Set();
const listeners = new Set();
let problem = null;

export const orders = {
  get all() {
    if (!sorted) arrange();
    return newestFirst;
  },
  get: (id) => byId.get(id),
  // The events of an order that came by the stream, by their numbers.
  history: (id) => [...(histories.get(id)?.values() ?? [])].sort((one, other) => one.seq - other.seq),
  get problem() {
    return problem;
  },
  get hasOlder() {
    return cursor !== null && byId.size < MOST_ORDERS;
  },
  get loading() {
    return loading !== null;
  },
  // Called before the next picture after something has changed.
  onchange(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  put,
  older: () => load(cursor),
  start,
};

function start() {
  const end = follow(
    () => (position === null ? { channel: "orders" } : { channel: "orders", after: position }),
    (message) => {
      if (message.type === "welcome") return meet(message);
      if (message.type === "subscribed") return begin(message.after);
      if (message.type === "event") return take(message);
      if (message.type === "problem") {
        problem = message.problem;
        changed();
        setTimeout(() => {
          end();
          start();
        }, RESUME_MS);
      }
    },
  );
}

// An account whose log is shorter than what was seen of it is another one: everything was set up anew.
function meet(welcome) {
  if (position !== null && welcome.accountSeq < position) {
    byId.clear();
    newestFirst = [];
    histories.clear();
    unknown.clear();
    position = null;
    changed();
  }
}

// What happened before the subscription is in the list, which is therefore read after it.
function begin(after) {
  problem = null;
  const isFirst = position === null;
  position = after;
  if (isFirst) load(null);
}

function take(event) {
  position = event.accountSeq;
  remember(event);
  const order = byId.get(event.orderId);
  if (order) apply(order, event);
  else {
    unknown.add(event.orderId);
    gather();
  }
  changed();
}

function apply(order, event) {
  if (event.seq <= order.lastSeq) return;
  const again = event.attempt !== order.attempt;
  Object.assign(order, {
    status: event.status,
    phase: event.phase,
    lastSeq: event.seq,
    version: event.seq,
    attempt: event.attempt,
    reason: event.reason,
    venue: event.venue ?? (again ? null : order.venue),
    signature: event.signature ?? (again ? null : order.signature),
    filledIn: event.filledIn ?? order.filledIn,
    filledOut: event.filledOut ?? order.filledOut,
    updatedAt: event.at,
  });
}

function remember(event) {
  let history = histories.get(event.orderId);
  if (!history) {
    history = new Map();
    histories.set(event.orderId, history);
    if (histories.size > MOST_HISTORIES) histories.delete(histories.keys().next().value);
  }
  history.set(event.seq, event);
}

function gather() {
  gathering ??= setTimeout(async () => {
    await load(null);
    gathering = null;
    // The page that was just read may have been an older one, or a burst was longer than a page.
    const missing = [...unknown].slice(0, MOST_SINGLE);
    for (const id of missing) unknown.delete(id);
    for (const id of missing) await get(`/api/orders/${id}`).then(put, () => {});
    if (unknown.size) gather();
  }, GATHER_MS);
}

async function load(from) {
  if (loading) return loading;
  loading = read(from).finally(() => {
    loading = null;
    changed();
  });
  return loading;
}

async function read(from) {
  try {
    const page = await get(`/api/orders?limit=${PAGE}${from ? `&cursor=${encodeURIComponent(from)}` : ""}`);
    const reaches = page.orders.some((order) => byId.has(order.orderId));
    for (const order of page.orders) put(order);
    // The first page says where older ones begin only if nothing older is held yet.
    if (from !== null || !reaches) cursor = page.nextCursor;
    problem = null;
  } catch (error) {
    problem = error;
    if (error.passing) setTimeout(() => load(from), 2_000);
  }
}

// Take an order as the API gave it, unless a later state of it is known.
function put(order) {
  const known = byId.get(order.orderId);
  if (known && known.lastSeq > order.lastSeq) return known;
  if (known) Object.assign(known, order);
  else {
    unknown.delete(order.orderId);
    byId.set(order.orderId, order);
    newestFirst.push(order);
    sorted = false;
    for (const event of orders.history(order.orderId)) apply(order, event);
  }
  changed();
  return known ?? order;
}

function arrange() {
  newestFirst.sort((one, other) => (one.createdAt < other.createdAt ? 1 : one.createdAt > other.createdAt ? -1 : 0));
  for (const dropped of newestFirst.splice(MOST_ORDERS)) byId.delete(dropped.orderId);
  sorted = true;
}

function changed() {
  soon(tell);
}

function tell() {
  for (const listener of listeners) listener();
}
