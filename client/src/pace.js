/** How many frames may go out at once, and how many a second after that: less than what the server refuses. */
const BURST = 100;
const PER_SECOND = 40;

let left = BURST;
let at = 0;

/**
 * Take the turn of one frame at the time `now`, in milliseconds, and return 0; or return how long to wait for the next
 * turn. A page that has much to say would be refused for saying it too fast.
 */
export function takeTurn(now) {
  left = Math.min(BURST, left + ((now - at) * PER_SECOND) / 1000);
  at = now;
  if (left < 1) return ((1 - left) * 1000) / PER_SECOND;
  left -= 1;
  return 0;
}
