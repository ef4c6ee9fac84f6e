/**
 * The numbered frames of one page, in order. Each stays until the server acknowledges its number; on a new socket what
 * is left is sent again with the same numbers, and the server recognises what it has seen.
 */
export class Outbox {
  #entries = [];
  #number = 0;
  #sent = 0;

  /**
   * Add a frame. `entry` is what the page wants back when the frame is acknowledged. If the last frame has not been
   * sent and is about the same `subject`, the new one takes its place: only the last value of a field matters.
   *
   * Returns the entry that was replaced, if any.
   */
  add(frame, entry) {
    const last = this.#entries.at(-1);
    const outdated = this.hasNext && last.subject !== undefined && last.subject === entry.subject ? last : undefined;
    if (outdated) this.#entries.pop();
    entry.frame = { ...frame, n: outdated?.frame.n ?? ++this.#number };
    this.#entries.push(entry);
    return outdated;
  }

  get hasNext() {
    return this.#sent < this.#entries.length;
  }

  /** Return the next frame that has not been sent on this socket. */
  next() {
    return this.#entries[this.#sent++].frame;
  }

  /** Remove and return the entries up to number `n`. */
  acknowledge(n) {
    const done = this.#entries.filter((entry) => entry.frame.n <= n);
    this.#entries.splice(0, done.length);
    this.#sent = Math.max(0, this.#sent - done.length);
    return done;
  }

  /** Begin again with the oldest entry: there is a new socket. */
  rewind() {
    this.#sent = 0;
  }

  /** Remove and return all entries. */
  drop() {
    return this.acknowledge(Infinity);
  }

  some(test) {
    return this.#entries.some(test);
  }
}
