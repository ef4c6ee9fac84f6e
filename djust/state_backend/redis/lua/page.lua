-- KEYS: due, act, never
-- ARGV: cursor, count, owner ('' any), label ('' any)
-- Returns the next cursor and a flat list: member, deadline, last activity.
local base = string.sub(KEYS[1], 1, -4)
local now = now_ms()
local scan = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local found = {}
for i = 1, #scan[2], 2 do
  local entry = unpack_member(scan[2][i])
  if tonumber(scan[2][i + 1]) > now and (ARGV[3] == '' or entry.owner == ARGV[3])
    and (ARGV[4] == '' or entry.label == ARGV[4]) and redis.call('PTTL', base .. 's:' .. entry.key) ~= -2 then
    found[#found + 1] = scan[2][i]
    found[#found + 1] = scan[2][i + 1]
    found[#found + 1] = last_activity(KEYS[2], KEYS[3], entry.key) or ''
  end
end
return { scan[1], found }
