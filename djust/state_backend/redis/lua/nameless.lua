-- KEYS: meta
-- Returns how many sessions were lost whose names found no room in the outbox, and forgets them.
local count = redis.call('HGET', KEYS[1], 'nameless')
if not count then return 0 end
redis.call('HDEL', KEYS[1], 'nameless')
return tonumber(count)
