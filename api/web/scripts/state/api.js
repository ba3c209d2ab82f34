// Calls to the API, and its problems. The key, where one is needed, stays in this tab.

const KEY = "order-engine.key";
const PATIENCE_MS = 15_000;

let onKeyWanted = () => {};

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (secret) => sessionStorage.setItem(KEY, secret),
  forget: () => sessionStorage.removeItem(KEY),
};

// What to do when the API asks who is there: it gets the problem.
export function whenKeyIsWanted(work) {
  onKeyWanted = work;
}

// A problem document of the API, or one of our own for an API that does not answer.
export class Problem extends Error {
  constructor(document) {
    super(document.detail);
    this.status = document.status;
    this.code = document.code;
    this.detail = document.detail;
    this.advice = document.advice ?? "";
    this.errors = document.errors ?? [];
    this.orderId = document.orderId;
  }

  // Whether the same request may be sent again and bring another answer.
  get passing() {
    return this.status === 0 || this.status === 503 || this.status === 504;
  }
}

// The JSON that the API answers. Rejects with a Problem.
export async function call(method, path, { body, headers = {}, signal } = {}) {
  const secret = key.get();
  const sent = { Accept: "application/json", ...headers };
  if (secret) sent.Authorization = `Bearer ${secret}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    answer = await fetch(path, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable(error.name === "TimeoutError" ? "The API did not answer in time." : "The API cannot be reached.");
  }
  const content = await answer.json().catch(() => null);
  if (answer.ok && content !== null) return content;
  const problem = content?.code ? new Problem(content) : unreachable(`The API answered with status ${answer.status}.`);
  if (problem.status === 401) onKeyWanted(problem);
  throw problem;
}

function unreachable(detail) {
  const advice = "The page tries again by itself; accepted orders go on meanwhile.";
  return new Problem({ status: 0, code: "unreachable", detail, advice });
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, body, headers) => call("POST", path, { body, headers });
