/** The address of the page, and the ways to another one: by the links of a page, by its view, by back and forward. */

import { say } from "./banner.js";
import { readConfig } from "./config.js";
import { add, page, show } from "./connection.js";
import { markLinks } from "./links.js";
import { lift } from "./loading.js";
import { morph } from "./morph.js";
import { Page } from "./page.js";
import { flush } from "./pending.js";
import { putBack, remember } from "./recovery.js";

/** What nginx answers, and what is beyond it: the application was not asked. */
const BAD_GATEWAY = 502;

/** Where each entry of the history was scrolled to, by the id that its state holds. */
const scrolled = new Map();
let entry = history.state?.djust ?? Date.now();
/** Path and query of what is shown. */
let shown = here();
let fetching;
/** Shows the page of the address, where it could not be fetched when the address changed. */
let unfinished;

export function startNavigation() {
  write(location.href, "keep");
  addEventListener("popstate", pop);
  // A page that the browser loads by itself is scrolled by the browser.
  history.scrollRestoration = "manual";
  addEventListener("pageshow", () => (history.scrollRestoration = "manual"));
  addEventListener("pagehide", () => (history.scrollRestoration = "auto"));
  markLinks();
}

/** Stay on the view and change its address. */
export function patch(url, replace) {
  fetching?.abort();
  write(url, replace ? "replace" : "push");
  shown = here();
}

/** Stay on the view, change its address, and let the view follow. */
export function patchAndTell(url) {
  patch(url);
  tellAddress();
}

/** Go where a view sends its page. */
export function follow({ kind, url, replace, messages }) {
  if (kind === "patch") patch(url, replace);
  else visit(url, { how: replace ? "replace" : "push", messages });
}

/** Go to the page of the address, which is another view's. */
export const moveTo = (uri) => visit(uri, { how: "keep" });

/** Put back what was typed before the browser loaded the page afresh. */
export function takeUp() {
  const { typed } = history.state;
  if (!typed) return;
  history.replaceState({ ...history.state, typed: undefined }, "");
  putBack(typed);
}

/** Take up again what failed while there was no connection. */
export const resume = () => unfinished?.();

/** Fetch the page of the address afresh. What is typed stays, and is told to the server. */
export const renew = () => visit(location.href, { how: "keep", isSame: true, scroll: [scrollX, scrollY] });

/**
 * Fetch the page at an address and show it in place of this one, whose socket it takes over. A later visit overtakes an
 * earlier one. What cannot be shown like this is left to the browser.
 *
 * @param {string} options.how "push", "replace", or "keep" where the address is in the history already.
 * @param {string} options.messages Signed messages that the view sends along.
 * @param {boolean} options.isSame Whether it is this page again.
 * @param {number[]} options.scroll Where to scroll to.
 */
export async function visit(url, options = {}) {
  const { how = "push", messages, isSame, scroll } = options;
  const target = new URL(url, location.href);
  if (target.origin !== location.origin) {
    location.assign(target);
    return;
  }
  unfinished = undefined;
  fetching?.abort();
  fetching = new AbortController();
  const { signal } = fetching;
  flush();
  let address, next, config;
  try {
    const headers = { "X-Djust": "1", ...(messages && { "X-Djust-Messages": messages }) };
    const response = await fetch(target, { headers, signal, mode: "same-origin" });
    if (response.status >= BAD_GATEWAY) throw response;
    const says = (name) => response.headers.get(name);
    address = response.url;
    // Whatever else is at an address, a file that somebody uploaded for example, is no page of this site.
    if (/^text\/html/i.test(says("content-type")) && !says("content-disposition")) {
      next = new DOMParser().parseFromString(await response.text(), "text/html");
      config = readConfig(next);
    }
  } catch {
    // What redirects and yet cannot be followed leads to another site, where only the browser may go.
    const { type } = await fetch(target, { signal, redirect: "manual" }).catch(() => ({}));
    if (signal.aborted) return;
    if (type !== "opaqueredirect") {
      const again = () => visit(url, options);
      say("The page could not be loaded.", "Try again", again);
      if (how === "keep") unfinished = again;
      return;
    }
  }
  if (signal.aborted) return;
  if (!config || bringsMore(next)) {
    if (isSame) history.replaceState({ ...history.state, typed: remember() }, "");
    if (target.href === location.href) location.reload();
    else location[how === "push" ? "assign" : "replace"](target);
    return;
  }
  const typed = isSame && remember();
  write(address + target.hash, how);
  shown = here();
  lift();
  morph(document.body, next.body, { isAnotherPage: !isSame });
  copyAttributes(document.body, next.body);
  document.title = next.title;
  document.documentElement.lang = next.documentElement.lang;
  show(config.token && new Page(config.token), config);
  if (isSame) putBack(typed);
  markLinks();
  scrollBack(scroll);
}

function pop() {
  scrolled.set(entry, [scrollX, scrollY]);
  entry = history.state?.djust;
  if (!entry) {
    // The browser went to a mark in this page, and has scrolled.
    entry = Date.now();
    write(location.href, "keep");
    return;
  }
  fetching?.abort();
  const scroll = scrolled.get(entry);
  const [path] = shown.split("?");
  if (here() === shown) scrollBack(scroll);
  else if (location.pathname === path && page) {
    shown = here();
    tellAddress(() => scrollBack(scroll));
  } else visit(location.href, { how: "keep", scroll });
}

function here() {
  return location.pathname + location.search;
}

function tellAddress(done) {
  add({ t: "url", uri: here() }, { done });
}

function write(url, how) {
  // As everywhere, going to where one is makes no new entry.
  const isNew = how === "push" && new URL(url, location.href).href !== location.href;
  if (isNew) {
    scrolled.set(entry, [scrollX, scrollY]);
    entry = Date.now();
  }
  history[isNew ? "pushState" : "replaceState"]({ ...history.state, djust: entry }, "", url);
}

function scrollBack(position) {
  const marked = !position && location.hash && document.getElementById(location.hash.slice(1));
  if (marked) marked.scrollIntoView();
  else scrollTo(...(position ?? [0, 0]));
}

/** Whether a page has scripts, or styles in its head, that this one does not have: then the browser must load it. */
function bringsMore(next) {
  const present = assets(document);
  return assets(next).some((asset) => !present.includes(asset));
}

function assets({ scripts, head }) {
  return [...scripts, ...head.querySelectorAll("link[rel~=stylesheet],style")]
    .filter(({ type }) => !type || /css|javascript|module/.test(type))
    .map((element) => element.src || element.href || element.textContent);
}

function copyAttributes(element, next) {
  for (const { name } of [...element.attributes]) if (!next.hasAttribute(name)) element.removeAttribute(name);
  for (const { name, value } of next.attributes) element.setAttribute(name, value);
}
