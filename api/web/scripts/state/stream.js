// One connection to the API for everything that is followed. It comes back by itself, and says when it is away.

import { get, key } from "./api.js";

// Between two tries to connect, growing; a little chance keeps many pages from coming back at the same moment.
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

const subscriptions = new Map();
const listeners = new Set();

let socket = null;
let welcomed = false;
let failures = 0;
let heardAt = null;
let heartbeatMs = 10_000;
let retry = null;
let watch = null;
let counted = 0;
let resting = false;

// `state` is "live", or "connecting" at first, or "stale" after it was live; `heardAt` is when it last was.
export const connection = {
  get state() {
    return welcomed ? "live" : heardAt === null ? "connecting" : "stale";
  },
  get heardAt() {
    return heardAt;
  },
  onchange(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

// Follow something: `request` makes the fields of the subscription, at each connection anew; `take` gets each message,
// problems too. Returns how to end it.
export function follow(request, take) {
  counted += 1;
  const id = `s${counted}`;
  subscriptions.set(id, { request, take });
  if (welcomed) send({ op: "subscribe", id, ...request() });
  return () => {
    if (subscriptions.delete(id) && welcomed) send({ op: "unsubscribe", id });
  };
}

export function connect() {
  clearTimeout(retry);
  const secret = key.get();
  const protocols = secret ? ["order-engine", `order-engine.key.${secret}`] : ["order-engine"];
  const opened = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/stream`, protocols);
  socket = opened;
  opened.onmessage = ({ data }) => {
    if (socket === opened) hear(JSON.parse(data));
  };
  opened.onclose = () => {
    if (socket === opened) lost();
  };
}

// What comes back now comes back at once: the machine woke up, or the network did.
export function hasten() {
  if (!resting && socket && socket.readyState > WebSocket.OPEN) connect();
}

// Who is not let in need not knock again and again: the page begins anew once it has a key.
export function rest() {
  resting = true;
  clearTimeout(retry);
}

function send(message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function hear(message) {
  heardAt = Date.now();
  clearTimeout(watch);
  watch = setTimeout(lost, 2.5 * heartbeatMs);
  if (message.type === "welcome") for (const { take } of subscriptions.values()) take(message);
  // The first message is a welcome; an API without its database sends heartbeats only.
  if (!welcomed) begin(message);
  subscriptions.get(message.id)?.take(message);
}

function begin(message) {
  welcomed = true;
  failures = 0;
  heartbeatMs = (message.heartbeatSeconds ?? 10) * 1000;
  for (const [id, { request }] of subscriptions) send({ op: "subscribe", id, ...request() });
  tell();
}

function lost() {
  clearTimeout(watch);
  const former = socket;
  socket = null;
  former?.close();
  welcomed = false;
  tell();
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS) * (0.75 + Math.random() / 2);
  failures += 1;
  // A browser does not say why a connection was refused; the API does when it is asked: it may want a key.
  if (failures === 2) get("/api/me").catch(() => {});
  clearTimeout(retry);
  if (!resting) retry = setTimeout(connect, pause);
}

function tell() {
  for (const listener of listeners) listener(connection.state);
}
