-- KEYS: due, act, never, meta
-- ARGV: owner, bucket, limit, channel
-- Ends at most `limit` sessions of an owner that the owner index knows.
-- Returns how many lived, whether there may be more here, and what of this shard can be trusted (see index_trust).
local due, meta = KEYS[1], KEYS[4]
local base = string.sub(due, 1, -4)
local trust = index_trust(due, KEYS[2], KEYS[3], meta)
local index = owner_key(base, tonumber(ARGV[2]))
local all = redis.call('HGETALL', index)
local ended, seen, unfinished = {}, 0, 0
for i = 1, #all, 2 do
  if all[i + 1] == ARGV[1] then
    if seen == tonumber(ARGV[3]) then
      unfinished = 1
      break
    end
    seen = seen + 1
    local payload = base .. 's:' .. all[i]
    local live = header(payload)
    -- An unreadable payload, as of a later release, does not say whose it is, but the index does.
    if live == false or (live and live.owner == ARGV[1]) then
      erase({ due = due, act = KEYS[2], never = KEYS[3], meta = meta }, payload, all[i], live)
      ended[#ended + 1] = all[i]
    else
      forget_owner(base, meta, tonumber(ARGV[2]), all[i])
    end
  end
end
tell_ended(ARGV[4], ended)
return { #ended, unfinished, trust }
