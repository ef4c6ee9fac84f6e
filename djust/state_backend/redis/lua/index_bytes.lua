-- KEYS: due, act, never, gone, meta
-- ARGV: buckets of the owner index to measure; all are alike, because owners are spread by a hash
-- Returns the bytes of the shard's index.
local base = string.sub(KEYS[1], 1, -4)
local total, owners = 0, 0
for i = 1, #KEYS do total = total + (redis.call('MEMORY', 'USAGE', KEYS[i]) or 0) end
for i = 1, #ARGV do owners = owners + (redis.call('MEMORY', 'USAGE', owner_key(base, tonumber(ARGV[i]))) or 0) end
return total + math.floor(owners * 256 / #ARGV)
