-- KEYS: due, meta
-- Writes down how many entries the indexes have, once reconcile has made them whole.
local base = string.sub(KEYS[1], 1, -4)
local indexed, owned = redis.call('ZCARD', KEYS[1]), 0
for bucket = 0, 255 do owned = owned + redis.call('HLEN', owner_key(base, bucket)) end
if indexed == 0 and owned == 0 and redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
redis.call('HDEL', KEYS[2], 'indexed', 'owned')
redis.call('HSET', KEYS[2], 'indexed', indexed, 'owned', owned)
return 1
