-- KEYS: lease
-- ARGV: token, milliseconds
-- Takes or renews the lease; returns 1 if the token holds it now. DEL comes first, so that full memory cannot refuse.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
