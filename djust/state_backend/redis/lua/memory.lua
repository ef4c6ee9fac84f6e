-- KEYS: due
-- ARGV: ranks from the top, which is where the latest deadlines are
-- Returns how many of these members there are, and a flat list of member and bytes without those whose payload is gone.
local base = string.sub(KEYS[1], 1, -4)
local looked, found = 0, {}
for i = 1, #ARGV do
  local member = redis.call('ZREVRANGE', KEYS[1], ARGV[i], ARGV[i])[1]
  if member then
    looked = looked + 1
    local bytes = redis.call('MEMORY', 'USAGE', base .. 's:' .. member_key(member))
    if bytes then
      found[#found + 1] = member
      found[#found + 1] = bytes
    end
  end
end
return { looked, found }
