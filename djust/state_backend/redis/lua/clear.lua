-- KEYS: due, act, never, gone, meta
-- ARGV: limit
-- Ends sessions without a report; once none is left, forgets the rest of the shard's index in the same step.
-- Returns how many lived and whether there are more.
local base = string.sub(KEYS[1], 1, -4)
local members = redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)
local keys, payloads, ended = {}, {}, 0
for i = 1, #members do
  keys[i] = member_key(members[i])
  payloads[i] = base .. 's:' .. keys[i]
end
if #members > 0 then
  ended = redis.call('UNLINK', unpack(payloads))
  redis.call('ZREM', KEYS[1], unpack(members))
  -- With every page, so that whoever looks meanwhile sees an index that is whole.
  redis.call('ZREM', KEYS[2], unpack(keys))
  redis.call('ZREM', KEYS[3], unpack(keys))
end
if redis.call('EXISTS', KEYS[1]) == 1 then return { ended, 1 } end
local mark = redis.call('HGET', KEYS[5], 'mark')
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
for bucket = 0, 255 do redis.call('UNLINK', owner_key(base, bucket)) end
-- What was emptied on purpose was not lost, and the mark is what tells.
if mark then redis.call('HSET', KEYS[5], 'mark', mark) end
return { ended, 0 }
