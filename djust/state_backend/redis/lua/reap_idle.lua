-- KEYS: due, act, never, gone, meta
-- ARGV: idle ms, limit, entries to skip: those that were found to be gone already
-- Ends what has been idle for longer, the longest idle first; sessions that never idle out are not in `act`.
-- Returns scanned, removed, already gone, renewed, length of the outbox.
local due, act, gone, meta = KEYS[1], KEYS[2], KEYS[4], KEYS[5]
local base = string.sub(due, 1, -4)
local now = now_ms()
local cutoff = '(' .. whole(now - tonumber(ARGV[1]))
local names = redis.call('ZRANGEBYSCORE', act, '-inf', cutoff, 'LIMIT', ARGV[3], ARGV[2])
local removed, already, renewed = 0, 0, 0
for i = 1, #names do
  local key = names[i]
  local payload = base .. 's:' .. key
  local live = header(payload)
  if not live or live.unreadable then
    -- Its entry in `due` is reported when that deadline comes, or when it is found to be lost. Its last activity is
    -- part of that report.
    already = already + 1
  elseif live.ttl == 0 or live.active > now - tonumber(ARGV[1]) then
    renewed = renewed + 1
    redis.call('ZREM', act, key)
    redis.call('ZADD', live.ttl > 0 and act or KEYS[3], whole(live.active), key)
  else
    removed = removed + 1
    erase({ due = due, act = act, never = KEYS[3], meta = meta }, payload, key, live)
    redis.call('RPUSH', gone, struct.pack('>c1I8I8', 'i', live.deadline, live.active)
      .. pack_member(key, live.created, live.bucket, live.owner, live.label))
  end
end
return { #names, removed, already, renewed, redis.call('LLEN', gone) }
