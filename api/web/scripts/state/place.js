// Placing, changing and cancelling: under a name of its own, so that sending a request again can never make a second order.

import { Problem, call, get, post } from "./api.js";
import { orders } from "./orders.js";

// A request whose answer was lost is sent again under the same name.
const TRIES = 4;
const PAUSE_MS = 700;

// What the API cancels in one request.
const MOST_AT_ONCE = 500;

// Place an order; the answer is the order. Rejects with a Problem that says what is known.
export async function place(order) {
  const name = crypto.randomUUID();
  const accepted = await repeated(() => post("/api/orders", order, { "Idempotency-Key": name }));
  return orders.put(accepted);
}

export async function cancel(orderId) {
  const name = crypto.randomUUID();
  const answer = await repeated(() => post(`/api/orders/${orderId}/cancel`, undefined, { "Idempotency-Key": name }));
  orders.put(await get(`/api/orders/${orderId}`));
  return answer;
}

// Change an order as it stands here; refused when it has moved on since.
export async function amend({ orderId, version }, wanted) {
  const headers = { "Idempotency-Key": crypto.randomUUID(), "If-Match": `"${version}"` };
  return orders.put(await repeated(() => call("PATCH", `/api/orders/${orderId}`, { body: wanted, headers })));
}

// Cancel the orders with these ids, or all of the account that have not ended; says how many came to what.
export async function cancelMany(ids) {
  const came = { canceled: 0, late: 0, failed: 0 };
  // The API cancels so many at a time.
  const parts = ids === null ? [null] : Array.from({ length: Math.ceil(ids.length / MOST_AT_ONCE) }, (_, at) => ids.slice(at * MOST_AT_ONCE, (at + 1) * MOST_AT_ONCE));
  for (const part of parts) {
    let answer;
    do {
      answer = await post("/api/orders/cancel-all", part === null ? {} : { orderIds: part });
      came.late += answer.orders.filter(({ result }) => result === "too_late").length;
      came.canceled += answer.orders.filter(({ result }) => result === "canceled" || result === "pending").length;
      came.failed += answer.failed.length;
      // What was too late or not reached is still in flight, and would be met again.
    } while (answer.remaining && answer.orders.some(({ result }) => result === "canceled"));
  }
  return came;
}

async function repeated(work) {
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      return await work();
    } catch (error) {
      const unknown = error instanceof Problem && (error.passing || error.code === "acceptance_unknown");
      if (!unknown || left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
