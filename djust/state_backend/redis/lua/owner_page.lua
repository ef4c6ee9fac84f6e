-- KEYS: due, act, never
-- ARGV: cursor, count, owner, label ('' any), bucket
-- Reads one page of the owner index. Returns the same as page.lua.
local base = string.sub(KEYS[1], 1, -4)
local bucket = tonumber(ARGV[5])
local now = now_ms()
local scan = redis.call('HSCAN', owner_key(base, bucket), ARGV[1], 'COUNT', ARGV[2])
local found = {}
for i = 1, #scan[2], 2 do
  local key, owner = scan[2][i], scan[2][i + 1]
  if owner == ARGV[3] then
    local payload = base .. 's:' .. key
    local live = header(payload)
    if live == false then
      -- A later release wrote it. That it is there, since when it is idle and when it ends is all that can be said.
      local active = last_activity(KEYS[2], KEYS[3], key) or 0
      local pttl = redis.call('PTTL', payload)
      live = { created = tonumber(active), active = tonumber(active), owner = owner, label = '',
        deadline = pttl > 0 and now + pttl or 0 }
    end
    if live and live.owner == owner and (live.deadline == 0 or live.deadline > now)
      and (ARGV[4] == '' or live.label == ARGV[4]) then
      found[#found + 1] = pack_member(key, live.created, bucket, owner, live.label)
      found[#found + 1] = live.deadline > 0 and whole(live.deadline) or 'inf'
      found[#found + 1] = whole(live.active)
    end
  end
end
return { scan[1], #scan[2] / 2, found }
