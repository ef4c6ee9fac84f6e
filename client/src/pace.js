let left = Infinity;
let at = 0;

/**
 * Take the turn of one frame at the time `now`, in milliseconds, and return 0; or return how long to wait for the next
 * turn. A page that has much to say would be refused for saying it too fast.
 *
 * @param {object} limits `burst` frames at once and `rate` a second after that are what the server takes. The page stays
 *   well below.
 */
export function takeTurn(now, { rate = 50, burst = 200 }) {
  const perMillisecond = rate * 0.0008;
  left = Math.min((burst + 1) / 2, left + (now - at) * perMillisecond);
  at = now;
  if (left < 1) return (1 - left) / perMillisecond;
  left -= 1;
  return 0;
}
