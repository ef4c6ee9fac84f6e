import { addBanner } from "./banner.js";
import { readConfig } from "./config.js";
import { startEvents } from "./events.js";
import { add, connect, isConnected, leave, show } from "./connection.js";
import { noteOpen } from "./morph.js";
import { startNavigation, takeUp, visit } from "./navigation.js";
import { Page } from "./page.js";
import { startPresses } from "./press.js";
import { addStyle } from "./style.js";

function start() {
  const config = readConfig(document);
  if (!config || window.djust) return;
  window.djust = {
    get connected() {
      return isConnected;
    },
    /** Go to another page as a link with dj-navigate does. */
    navigate: (url) => visit(url),
    /** Call a handler of the view. */
    push: (name, params = {}) => add({ t: "event", name, params }),
  };
  addStyle();
  addBanner();
  noteOpen(document.body);
  startEvents();
  startPresses();
  startNavigation();
  for (const type of ["online", "offline", "pageshow"]) addEventListener(type, connect);
  addEventListener("pagehide", leave);
  document.addEventListener("visibilitychange", () => document.hidden || connect());
  if (!config.token) return;
  show(new Page(config.token), config);
  takeUp();
}

// A page that is rendered in advance may never be looked at.
if (document.prerendering) document.addEventListener("prerenderingchange", start, { once: true });
else if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
