/** The connection of the page that is shown: made, watched, lost, and made again. */

import { waitingTime } from "./backoff.js";
import { say, saySoon } from "./banner.js";
import { follow, moveTo, renew, resume } from "./navigation.js";
import { tell, tellAbout } from "./notices.js";
import { takeTurn } from "./pace.js";
import { flush } from "./pending.js";
import { runUnpressed } from "./press.js";
import { openSocket } from "./socket.js";

/** Close codes that need more than another try. */
const LOGGED_OUT = 4401;
const FOREIGN_ORIGIN = 4403;
const GONE = 4404;
const TOKEN_REFUSED = 4406;
/** Malformed, no such handler, too large, too deep, not bindable: sent again, it would be refused again. */
const REFUSED = [4400, 4405, 4413, 4414, 4417];
/** A reload that did not help within this time would not help the second time either. */
const RELOAD_LOOP_MS = 10_000;

/** The page that is shown; undefined where it is no LiveView. */
export let page;
export let isConnected = false;

let config;
let socket;
/** Whether the socket has been opened, so that it can carry frames. */
let isOpen = false;
let failures = 0;
let tokenRefusals = 0;
let retry;
let pumping;
/** Whether a try to connect has failed, or the connection was lost, since the page was connected last. */
let isLost = false;
/** Whether there is no use in trying again. */
let isOver = false;

/** Show a page, in place of the one that was shown. */
export function show(next, itsConfig) {
  if (isConnected) socket.send({ t: "leave" });
  page?.drop();
  page = next;
  config = itsConfig;
  isConnected = isOver = false;
  if (!page) {
    disconnect();
    isLost = false;
    say("");
  } else if (isOpen) join();
  else connect();
  showState();
}

/** Add a numbered frame to what the server is to hear, and send it as soon as possible. */
export function add(frame, entry) {
  flush();
  if (!page || isOver) return;
  page.add(frame, entry);
  pump();
}

/** Connect at once, or see whether the connection is alive. */
export function connect() {
  clearTimeout(retry);
  if (!page || isOver) return;
  if (socket) socket.check();
  else socket = openSocket(config, join, (frame) => runUnpressed(() => receive(frame)), lose);
}

/** Leave the page on purpose. A page that the browser may show again must close its socket; others are closed by it. */
export function leave({ persisted }) {
  flush();
  if (isConnected) socket.send({ t: "leave" });
  if (persisted) disconnect();
}

function disconnect() {
  clearTimeout(retry);
  socket?.close();
  socket = undefined;
  isOpen = isConnected = false;
}

/** Let the classes of the body say how things stand. */
function showState() {
  document.body.classList.toggle("dj-connected", isConnected);
  document.body.classList.toggle("dj-disconnected", isLost);
}

function join() {
  isOpen = true;
  socket.send(page.joinFrame);
}

function pump() {
  clearTimeout(pumping);
  while (isConnected && page.outbox.hasNext) {
    const wait = takeTurn(performance.now(), config);
    if (wait) {
      pumping = setTimeout(pump, wait);
      return;
    }
    socket.send(page.outbox.next());
  }
}

function receive(frame) {
  const isOurs = frame.client === page?.client;
  if (frame.t === "stale" && isOurs) {
    // The next socket may lead to a server of the release that the page is of.
    disconnect();
    later(() => renew().then(() => socket || later(connect)));
  }
  // What is under way for a page that was left meanwhile does not concern this one.
  if (!(frame.t === "joined" ? isOurs : isConnected && /update|error|moved/.test(frame.t))) return;
  page.receive(frame);
  if (frame.t === "joined") joined();
  if (frame.t === "moved") moveTo(frame.uri);
  tellAbout(frame);
  if (frame.nav) follow(frame.nav);
}

function joined() {
  isConnected = true;
  isLost = false;
  failures = tokenRefusals = 0;
  page.outbox.rewind();
  showState();
  say("");
  document.querySelectorAll("[dj-cloak]").forEach((element) => element.removeAttribute("dj-cloak"));
  tell("connected");
  pump();
  resume();
}

function lose(code, reason) {
  const isNews = !isLost;
  socket = undefined;
  isOpen = isConnected = false;
  isLost = true;
  showState();
  if (isNews) {
    saySoon("Connection lost. Reconnecting…");
    tell("disconnected", { code, reason });
  }
  if (REFUSED.includes(code)) tell("refused", { code, reason, events: page.drop().map((entry) => entry.frame) });
  if (code === GONE) giveUp(`This page ${reason === "ended" ? "was ended" : "has expired"}.`, "Start again", renew);
  else if (code === FOREIGN_ORIGIN) giveUp("This page cannot connect to the server.");
  else if (code === LOGGED_OUT || (code === TOKEN_REFUSED && tokenRefusals++)) reload();
  else later(connect, code);
}

/** Try something, after a time that grows with each failure. */
function later(run, code) {
  retry = setTimeout(run, waitingTime(failures++, code));
}

function reload() {
  const again = () => location.reload();
  const [load] = performance.getEntriesByType("navigation");
  if (load?.type === "reload" && performance.now() < RELOAD_LOOP_MS) {
    giveUp("The server refuses this page.", "Reload", again);
    // Two tabs of a new visitor that load at once get two cookies, of which the browser keeps one: the next try has it.
    retry = setTimeout(again, RELOAD_LOOP_MS);
  } else again();
}

function giveUp(text, label, action) {
  isOver = true;
  page.drop();
  say(text, label, action);
}
