-- KEYS: due, act, never
-- ARGV: 'act' or 'never', cursor, count; or 'owners', first and last bucket
-- Returns the next cursor and the session keys found there whose payload is gone.
local base = string.sub(KEYS[1], 1, -4)
local names, after = {}, '0'
if ARGV[1] == 'owners' then
  for bucket = tonumber(ARGV[2]), tonumber(ARGV[3]) do
    local owned = redis.call('HGETALL', owner_key(base, bucket))
    for i = 1, #owned, 2 do names[#names + 1] = owned[i] end
  end
else
  local page = redis.call('ZSCAN', ARGV[1] == 'act' and KEYS[2] or KEYS[3], ARGV[2], 'COUNT', ARGV[3])
  after = page[1]
  for i = 1, #page[2], 2 do names[#names + 1] = page[2][i] end
end
local freed = {}
for i = 1, #names do
  if redis.call('PTTL', base .. 's:' .. names[i]) == -2 then freed[#freed + 1] = names[i] end
end
return { after, freed }
