-- KEYS: due, act, never
-- ARGV: cursor, count, owner ('' any), label ('' any)
-- Returns the next cursor, how many entries were looked at, and of each live session: member, deadline, last activity.
local base = string.sub(KEYS[1], 1, -4)
local now = now_ms()
local scan = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local found = {}
for i = 1, #scan[2], 2 do
  local member, deadline = scan[2][i], scan[2][i + 1]
  local entry = unpack_member(member)
  if tonumber(deadline) > now and (ARGV[3] == '' or entry.owner == ARGV[3])
    and (ARGV[4] == '' or entry.label == ARGV[4]) then
    local live = header(base .. 's:' .. entry.key)
    -- An entry whose key was used again after an eviction is not that of the session that lives there now.
    if live == false
      or live and pack_member(entry.key, live.created, live.bucket, live.owner, live.label) == member then
      found[#found + 1] = member
      found[#found + 1] = deadline
      found[#found + 1] = live and whole(live.active) or last_activity(KEYS[2], KEYS[3], entry.key) or ''
    end
  end
end
return { scan[1], #scan[2] / 2, found }
