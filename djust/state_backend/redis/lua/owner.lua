-- KEYS: due, act, never, meta
-- ARGV: owner, bucket, limit
-- Ends at most `limit` sessions of an owner that the owner index knows.
-- Returns how many lived, whether there may be more here, and what of this shard can be trusted:
-- 0 all; 1 the owner index lost entries; 2 so did `due`; 3 the shard is empty, or was lost whole.
local due, meta = KEYS[1], KEYS[4]
local base = string.sub(due, 1, -4)
local owned = redis.call('HGET', meta, 'owned')
local in_due = redis.call('ZCARD', due)
local by_activity = redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3])
local trust = 0
if in_due < by_activity then
  -- Every live session has one entry in `due` and one by activity; old incarnations only add to `due`.
  trust = 2
else
  local entries = 0
  for bucket = 0, 255 do entries = entries + redis.call('HLEN', owner_key(base, bucket)) end
  if entries ~= tonumber(owned or 0) or (not owned and in_due > 0) then
    trust = 1
  elseif in_due == 0 then
    trust = 3
  end
end

local index = owner_key(base, tonumber(ARGV[2]))
local all = redis.call('HGETALL', index)
local ended, seen = 0, 0
for i = 1, #all, 2 do
  if all[i + 1] == ARGV[1] then
    if seen == tonumber(ARGV[3]) then return { ended, 1, trust } end
    seen = seen + 1
    local payload = base .. 's:' .. all[i]
    local live = header(payload)
    -- An unreadable payload, as of a later release, does not say whose it is, but the index does.
    if live == false or (live and live.owner == ARGV[1]) then
      erase({ due = due, act = KEYS[2], never = KEYS[3], meta = meta }, payload, all[i], live)
      ended = ended + 1
    else
      forget_owner(base, meta, tonumber(ARGV[2]), all[i])
    end
  end
end
return { ended, 0, trust }
