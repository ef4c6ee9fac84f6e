/** How long an answer may take, in milliseconds: to the handshake, to the first frame, to a ping. */
const PATIENCE_MS = 10_000;
/** How long after a frame of ours silence begins to look odd. */
const ODD_MS = 5_000;
/** What a browser reports when a connection breaks. */
const BROKEN = 1006;

/**
 * Open a WebSocket that notices when nobody is at the other end any more.
 *
 * @param {object} config `url`, and `heartbeat`: seconds after the last frame of ours when the server is asked for a sign
 *   of life, and gets one, however much it says itself.
 * @param {() => void} opened
 * @param {(frame: object) => void} received
 * @param {(code: number, reason: string) => void} closed Called once, and not after `close()`.
 * @returns {{send, check, close}} `check()` asks for a sign of life; without one the connection is taken for broken.
 */
export function openSocket({ url, heartbeat }, opened, received, closed) {
  const silence = heartbeat * 1000;
  const socket = new WebSocket(new URL(url, location.href).href.replace("http", "ws"));
  /** Whether only an answer keeps the socket from being given up. */
  let isAsking = true;
  /** Whether something was sent after the last frame that came. */
  let isAwaiting = false;
  let sentAt = 0;
  let timer;
  expect(PATIENCE_MS);
  socket.onopen = () => {
    expect(PATIENCE_MS);
    opened();
  };
  socket.onmessage = ({ data }) => {
    isAsking = isAwaiting = false;
    expect(sentAt + silence - performance.now());
    received(JSON.parse(data));
  };
  socket.onclose = ({ code, reason }) => end(code, reason);
  return { send, check, close };

  function send(frame) {
    socket.send(JSON.stringify(frame));
    sentAt = performance.now();
    if (!isAsking && !isAwaiting) expect(Math.min(silence, ODD_MS));
    isAwaiting = true;
  }

  function check() {
    if (isAsking) return;
    send({ t: "ping" });
    isAsking = true;
    expect(PATIENCE_MS);
  }

  function close() {
    clearTimeout(timer);
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  function expect(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(() => (isAsking ? end(BROKEN, "") : check()), milliseconds);
  }

  function end(code, reason) {
    // A half-open socket takes long to report its end; nobody waits for that.
    close();
    closed(code, reason);
  }
}
