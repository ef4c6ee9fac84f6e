-- KEYS: due, act, never, meta
-- ARGV: session keys
-- Forgets the activity and the owners of sessions that are over and that `due` does not know.
local base = string.sub(KEYS[1], 1, -4)
local over = {}
for i = 1, #ARGV do
  if redis.call('PTTL', base .. 's:' .. ARGV[i]) == -2 then over[#over + 1] = ARGV[i] end
end
if #over == 0 then return 0 end
redis.call('ZREM', KEYS[2], unpack(over))
redis.call('ZREM', KEYS[3], unpack(over))
for bucket = 0, 255 do
  local ended = redis.call('HDEL', owner_key(base, bucket), unpack(over))
  if ended > 0 then redis.call('HINCRBY', KEYS[4], 'owned', -ended) end
end
return #over
