-- KEYS: due, act, never, gone, meta
-- ARGV: cursor, count, '1' to repair
-- Returns the next cursor, how many entries were looked at, and the members whose payload is gone before its time:
-- freed, or that of a later incarnation, because the key was used again after that; and the length of the outbox.
-- A repair also writes down since when the shard is known to hold what its index says.
local base = string.sub(KEYS[1], 1, -4)
local now = now_ms()
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local lost, entries = {}, {}
for i = 1, #page[2], 2 do
  local member, deadline = page[2][i], page[2][i + 1]
  if tonumber(deadline) > now then
    if is_lost(base .. 's:' .. member_key(member), member) then
      lost[#lost + 1] = member
      entries[#entries + 1] = member
      entries[#entries + 1] = deadline
    end
  end
end
if ARGV[3] == '1' and #entries > 0 then
  take_out({ due = KEYS[1], act = KEYS[2], never = KEYS[3], gone = KEYS[4], meta = KEYS[5] }, entries, now)
end
-- Full memory refuses these, which costs nothing but the date.
if ARGV[3] == '1' then
  if ARGV[1] == '0' and #page[2] > 0 then redis.pcall('HSET', KEYS[5], 'walk', whole(now)) end
  local walk = page[1] == '0' and redis.call('HGET', KEYS[5], 'walk')
  if walk then redis.pcall('HSET', KEYS[5], 'verified', walk) end
end
return { page[1], #page[2] / 2, lost, redis.call('LLEN', KEYS[4]) }
