-- KEYS: gone, meta
-- ARGV: limit, field of this sweep
-- Who takes a record out of the outbox owns its report. How many are in flight is written down until the next
-- claim, so that what a killed process took can be counted.
local records = redis.call('LRANGE', KEYS[1], 0, ARGV[1] - 1)
if #records > 0 then
  redis.call('LTRIM', KEYS[1], #records, -1)
  redis.call('HSET', KEYS[2], ARGV[2], #records .. ' ' .. whole(now_ms()))
else
  redis.call('HDEL', KEYS[2], ARGV[2])
end
return records
