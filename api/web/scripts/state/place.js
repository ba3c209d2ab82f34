// Placing and cancelling: under a name of its own, so that sending a request again can never make a second order.

import { Problem, get, post } from "./api.js";
import { orders } from "./orders.js";

// A request whose answer was lost is sent again under the same name.
const TRIES = 4;
const PAUSE_MS = 700;

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
