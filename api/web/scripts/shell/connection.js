// Whether what is shown is live; and if not, since when.

import { fill, h, say } from "../lib/dom.js";
import { clock } from "../lib/format.js";
import { connection, hasten } from "../state/stream.js";

const WORDS = { live: "Live", connecting: "Connecting", stale: "Reconnecting" };

// A moment without connection is no news: a restart takes so long.
const WORTH_TELLING_MS = 1_200;

export function startConnection(indicator, banner) {
  let late = null;
  const show = () => {
    const { state, heardAt } = connection;
    document.documentElement.dataset.connection = state;
    say(indicator, WORDS[state]);
    indicator.dataset.state = state;
    clearTimeout(late);
    if (state === "live") {
      banner.hidden = true;
      fill(banner);
      return;
    }
    late = setTimeout(() => {
      banner.hidden = false;
      fill(
        banner,
        h("strong", {}, "Not connected. "),
        state === "stale" ? `What you see is as of ${clock(heardAt)}. ` : "",
        "Accepted orders go on; the page reconnects by itself.",
      );
    }, WORTH_TELLING_MS);
  };
  connection.onchange(show);
  addEventListener("online", hasten);
  addEventListener("visibilitychange", () => {
    if (!document.hidden) hasten();
  });
  show();
}
