-- KEYS: payload, due, act, never, meta
-- ARGV: key, '1' to repair the index, '1' to repair the TTL, default ttl ms
-- Returns: 0 gone, 1 readable header, 2 unreadable header; 1 if the index lacks it; 1 if it lacks its TTL.
local payload, due, act, never, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local key = ARGV[1]
local base = string.sub(due, 1, -4)
local pttl = redis.call('PTTL', payload)
if pttl == -2 then return { 0, 0, 0 } end
local now = now_ms()
local live = header(payload)
if not live then
  -- What it was is unknown. It gets the default, unless that is never.
  local endless = pttl == -1 and tonumber(ARGV[4]) > 0
  if endless and ARGV[3] == '1' then redis.call('PEXPIRE', payload, ARGV[4]) end
  return { 2, 0, endless and 1 or 0 }
end
local no_ttl = pttl == -1 and live.deadline > 0
if no_ttl and ARGV[3] == '1' then
  redis.call('PEXPIREAT', payload, whole(math.max(live.deadline, now + 1)))
end
local member = pack_member(key, live.created, live.bucket, live.owner, live.label)
local by_activity = live.ttl > 0 and act or never
local unindexed = not redis.call('ZSCORE', due, member) or not redis.call('ZSCORE', by_activity, key)
  or (live.owner ~= '' and redis.call('HGET', owner_key(base, live.bucket), key) ~= live.owner)
if unindexed and ARGV[2] == '1' then
  -- A removal comes first, so that full memory cannot refuse the rest.
  redis.call('ZREM', live.ttl > 0 and never or act, key)
  redis.call('ZADD', due, live.deadline > 0 and whole(live.deadline) or '+inf', member)
  redis.call('ZADD', by_activity, whole(live.active), key)
  if live.owner ~= '' then redis.call('HSET', owner_key(base, live.bucket), key, live.owner) end
end
return { 1, unindexed and 1 or 0, no_ttl and 1 or 0 }
