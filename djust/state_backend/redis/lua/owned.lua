-- KEYS: due, act, never, meta
-- ARGV: owner, bucket, entries above which nobody counts
-- Returns what of this shard can be trusted (see index_trust), how many sessions of the owner the owner index knows
-- (or, of a large bucket, how many entries that has), and how many entries `due` has.
local trust, in_due = index_trust(KEYS[1], KEYS[2], KEYS[3], KEYS[4])
local index = owner_key(string.sub(KEYS[1], 1, -4), tonumber(ARGV[2]))
local count = redis.call('HLEN', index)
if count > 0 and count <= tonumber(ARGV[3]) then
  local all = redis.call('HGETALL', index)
  count = 0
  for i = 2, #all, 2 do
    if all[i] == ARGV[1] then count = count + 1 end
  end
end
return { trust, count, in_due }
