-- KEYS: due, act, never, gone, meta
-- ARGV: limit, latest deadline
-- Returns scanned, removed, already gone, renewed, length of the outbox, and the earliest deadline that is left and
-- has come ('' if none).
local now = now_ms()
local latest = math.min(now, tonumber(ARGV[2]))
local entries = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(latest), 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local removed, already, renewed = 0, 0, 0
if #entries > 0 then
  removed, already, renewed =
    take_out({ due = KEYS[1], act = KEYS[2], never = KEYS[3], gone = KEYS[4], meta = KEYS[5] }, entries, now)
end
local left = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'WITHSCORES', 'LIMIT', 0, 1)
return { #entries / 2, removed, already, renewed, redis.call('LLEN', KEYS[4]), left[2] or '' }
