/** Events that wait: for a user to stop typing, to leave a field, or for the time that a throttle demands. */

const waiting = [];
const readyAt = new WeakMap();

/** Run later what `run` does for a directive of an element; what already waits there is replaced. */
export function debounce(element, name, milliseconds, run) {
  take((one) => one.element === element && one.name === name);
  const entry = { element, name, run };
  if (milliseconds !== Infinity) entry.timer = setTimeout(() => flush((one) => one === entry), milliseconds);
  waiting.push(entry);
}

/** Run at once, but not again before some time is over; what comes too early is dropped, or waits (`keepsLast`). */
export function throttle(element, name, milliseconds, run, keepsLast) {
  const times = readyAt.get(element) ?? readyAt.set(element, {}).get(element);
  const left = (times[name] ?? 0) - performance.now();
  const start = () => {
    times[name] = performance.now() + milliseconds;
    run();
  };
  if (left <= 0) start();
  else if (keepsLast) debounce(element, name, left, start);
}

/** Run what waits, in order; all of it, or what `fits`. */
export function flush(fits = () => true) {
  take(fits).forEach((entry) => entry.run());
}

export const isPending = (element) => waiting.some((one) => one.element === element);

function take(fits) {
  const taken = waiting.filter(fits);
  for (const entry of taken) {
    clearTimeout(entry.timer);
    waiting.splice(waiting.indexOf(entry), 1);
  }
  return taken;
}
