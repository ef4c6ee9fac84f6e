-- KEYS: due, act, never, gone, meta
-- ARGV: limit
-- Returns scanned, removed, already gone, renewed, length of the outbox.
local now = now_ms()
local entries = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local removed, already, renewed = 0, 0, 0
if #entries > 0 then
  removed, already, renewed =
    take_out({ due = KEYS[1], act = KEYS[2], never = KEYS[3], gone = KEYS[4], meta = KEYS[5] }, entries, now)
end
return { #entries / 2, removed, already, renewed, redis.call('LLEN', KEYS[4]) }
