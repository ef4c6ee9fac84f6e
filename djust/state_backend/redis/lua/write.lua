-- KEYS: payload, due, act, never, gone, meta
-- ARGV: key, version, expected ('' any, 'new', or 8 bytes), ttl ms ('' its own, 0 never), default ttl ms,
--       max age ms (0 off), owner ('' keep), bucket of the owner, label ('' keep), body,
--       index entries to look at
-- Returns the header as saved and how many of those entries were over; or G gone, U unreadable, C conflict.
local payload, due, act, never, gone, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local key, version, expected = ARGV[1], ARGV[2], ARGV[3]
local now = now_ms()
local old = header(payload)
if old == false then return 'U' end
-- The version is this write's own random number: finding it means that an earlier try had succeeded.
if old and old.version == version then return { old.raw, 0 } end
local max_age = tonumber(ARGV[6])
-- A session whose time is over is absent, also while its payload is still there: its limit was lowered, or its expiry
-- got lost.
local expired
if old and ((old.deadline > 0 and old.deadline <= now) or (max_age > 0 and old.created + max_age <= now)) then
  old, expired = nil, old
end
if expected == 'new' then
  if old then return 'C' end
elseif expected ~= '' then
  if not old then return 'G' end
  if old.version ~= expected then return 'C' end
end
if old and old.unreadable then return 'U' end

local ttl = ARGV[4] ~= '' and tonumber(ARGV[4]) or (old and old.ttl) or tonumber(ARGV[5])
local owner, bucket, label = ARGV[7], tonumber(ARGV[8]), ARGV[9]
local created = now
if old then
  created = old.created
  if owner == '' then owner, bucket = old.owner, old.bucket end
  if label == '' then label = old.label end
end
local deadline = ttl > 0 and now + ttl or 0
if max_age > 0 and (deadline == 0 or created + max_age < deadline) then deadline = created + max_age end

local offset = FIXED + #owner + #label
local head = struct.pack('>c2BB' .. string.sub(FIELDS, 2), MAGIC, FORMAT, 0, version, created, now, deadline, ttl,
  offset, bucket, #owner, #label) .. owner .. label
-- SET comes first: under full memory Redis refuses a script's first growing command, and then nothing has changed.
if deadline > 0 then
  redis.call('SET', payload, head .. ARGV[10], 'PX', math.max(1, deadline - now))
else
  redis.call('SET', payload, head .. ARGV[10])
end

local base = string.sub(due, 1, -4)
local member = pack_member(key, created, bucket, owner, label)
redis.call('ZADD', due, deadline > 0 and whole(deadline) or '+inf', member)
if expired then
  redis.call('ZADD', due, whole(now), pack_member(key, expired.created, expired.bucket, expired.owner, expired.label))
end
if old then
  if old.owner ~= owner or old.label ~= label then
    redis.call('ZREM', due, pack_member(key, old.created, old.bucket, old.owner, old.label))
    if old.owner ~= owner and old.owner ~= '' then forget_owner(base, meta, old.bucket, key) end
  end
  if (old.ttl > 0) ~= (ttl > 0) then redis.call('ZREM', old.ttl > 0 and act or never, key) end
end
redis.call('ZADD', ttl > 0 and act or never, whole(now), key)
if owner ~= '' and not (old and old.owner == owner) then
  if redis.call('HSET', owner_key(base, bucket), key, owner) == 1 then redis.call('HINCRBY', meta, 'owned', 1) end
end

-- Look at a few entries and take out those that are over, so that the index cannot outgrow what it indexes: one time
-- those with the earliest deadlines, the other time some from anywhere. The version, which is random, throws the dice.
local looks = tonumber(ARGV[11])
if looks == 0 then return { head, 0 } end
local dice, from = string.byte(version, 5), 0
if dice < 128 then
  from = ((dice * 256 + string.byte(version, 6)) * 256 + string.byte(version, 7)) % redis.call('ZCARD', due)
end
local looked = redis.call('ZRANGE', due, from, from + looks - 1, 'WITHSCORES')
local over = {}
for i = 1, #looked, 2 do
  if tonumber(looked[i + 1]) <= now or redis.call('PTTL', base .. 's:' .. member_key(looked[i])) == -2 then
    over[#over + 1] = looked[i]
    over[#over + 1] = looked[i + 1]
  end
end
if #over > 0 then
  take_out({ due = due, act = act, never = never, gone = gone, meta = meta }, over, now, true)
end
return { head, #over / 2 }
