const BASE_MS = 500;
const CAP_MS = 30_000;
const RESTART_MS = 1_000;
const PENALTY_MS = 5_000;

/** Close codes that the waiting time depends on. */
export const RESTARTING = 1012;
export const TOO_MANY = 4429;

/**
 * Return how many milliseconds to wait before the next try to connect: anything from 0 to a bound that doubles with
 * each failure ("full jitter"), so that a thousand pages do not come back all at once.
 *
 * @param {number} failures How many tries have failed since the page was connected.
 * @param {number} code Why the socket was closed.
 */
export function waitingTime(failures, code, random = Math.random) {
  const isFirstAfterRestart = code === RESTARTING && failures === 0;
  const bound = isFirstAfterRestart ? RESTART_MS : Math.min(CAP_MS, BASE_MS * 2 ** failures);
  return (code === TOO_MANY ? PENALTY_MS : 0) + random() * bound;
}
