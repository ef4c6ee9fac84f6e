-- KEYS: due, gone
-- Returns the earliest deadline that has come ('' if none), the length of the outbox, and the time.
local now = now_ms()
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'WITHSCORES', 'LIMIT', 0, 1)
return { found[2] or '', redis.call('LLEN', KEYS[2]), whole(now) }
