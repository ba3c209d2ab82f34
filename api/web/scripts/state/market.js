// What can be traded, and who is asking: read once, again until it is known.

import { get } from "./api.js";

let tokens = null;
let caller = null;

async function untilKnown(path) {
  for (let pause = 500; ; pause = Math.min(2 * pause, 5_000)) {
    try {
      return await get(path);
    } catch (error) {
      if (!error.passing) throw error;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

// Every token that orders may name. Rejects with a Problem that does not pass.
export function allTokens() {
  tokens ??= untilKnown("/api/tokens").then((answer) => answer.tokens);
  return tokens;
}

// The account, its scopes, and the cluster.
export function whoAmI() {
  caller ??= untilKnown("/api/me");
  return caller;
}
