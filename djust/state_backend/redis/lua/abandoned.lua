-- KEYS: meta
-- ARGV: own field, what the fields of lease holders start with, milliseconds after which any other is abandoned
-- Only one sweep holds the lease at a time, so what another holder has in flight was lost with it.
-- Returns how many reports were lost, and forgets them.
local lost = 0
local all = redis.call('HGETALL', KEYS[1])
local now = now_ms()
for i = 1, #all, 2 do
  local field, value = all[i], all[i + 1]
  if field == 'dropped' then
    redis.call('HDEL', KEYS[1], field)
    lost = lost + tonumber(value)
  elseif string.sub(field, 1, 2) == 'f:' and field ~= ARGV[1] then
    local count, since = string.match(value, '^(%d+) (%d+)$')
    if string.sub(field, 1, #ARGV[2]) == ARGV[2] or now - tonumber(since) > tonumber(ARGV[3]) then
      redis.call('HDEL', KEYS[1], field)
      lost = lost + tonumber(count)
    end
  end
end
return lost
