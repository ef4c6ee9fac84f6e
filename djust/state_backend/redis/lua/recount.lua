-- KEYS: due, meta
-- Writes down how many entries the owner index has, once reconcile has made it whole.
local base = string.sub(KEYS[1], 1, -4)
local owned = 0
for bucket = 0, 255 do owned = owned + redis.call('HLEN', owner_key(base, bucket)) end
redis.call('HDEL', KEYS[2], 'owned')
if owned > 0 then redis.call('HSET', KEYS[2], 'owned', owned) end
return owned
