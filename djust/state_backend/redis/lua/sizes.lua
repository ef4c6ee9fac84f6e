-- KEYS: payloads of one shard
-- Returns the bytes that each occupies, or nothing for one that is not there.
local found = {}
for i = 1, #KEYS do found[i] = redis.call('MEMORY', 'USAGE', KEYS[i]) or false end
return found
