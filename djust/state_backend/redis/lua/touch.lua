-- KEYS: payload, due, act, never
-- ARGV: key, ttl ms ('' its own, 0 never), max age ms (0 off)
-- Returns 1 if the session lives.
local payload, due, act, never = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = now_ms()
local live = header(payload)
if not live or live.unreadable or (live.deadline > 0 and live.deadline <= now) then return 0 end
local ttl = ARGV[2] ~= '' and tonumber(ARGV[2]) or live.ttl
local max_age = tonumber(ARGV[3])
local deadline = ttl > 0 and now + ttl or 0
if max_age > 0 and (deadline == 0 or live.created + max_age < deadline) then deadline = live.created + max_age end
if deadline > 0 and deadline <= now then return 0 end
-- The expiry comes first: it never needs memory, and after it Redis lets the rest of the script pass when full.
if deadline > 0 then
  redis.call('PEXPIREAT', payload, whole(deadline))
else
  redis.call('PERSIST', payload)
end
redis.call('SETRANGE', payload, 20, struct.pack('>I8I8I8', now, deadline, ttl))
redis.call('ZADD', due, deadline > 0 and whole(deadline) or '+inf',
  pack_member(ARGV[1], live.created, live.bucket, live.owner, live.label))
if (live.ttl > 0) ~= (ttl > 0) then redis.call('ZREM', live.ttl > 0 and act or never, ARGV[1]) end
redis.call('ZADD', ttl > 0 and act or never, whole(now), ARGV[1])
return 1
