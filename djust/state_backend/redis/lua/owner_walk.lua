-- KEYS: due, act, never, meta
-- ARGV: owner, cursor, count, channel
-- Ends the sessions of an owner among one page of `due`. Returns the next cursor and how many lived.
local base = string.sub(KEYS[1], 1, -4)
local page = redis.call('ZSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])
local ended = {}
for i = 1, #page[2], 2 do
  local entry = unpack_member(page[2][i])
  if entry.owner == ARGV[1] then
    local payload = base .. 's:' .. entry.key
    local live = header(payload)
    if live == false or (live and live.owner == ARGV[1]) then
      erase({ due = KEYS[1], act = KEYS[2], never = KEYS[3], meta = KEYS[4] }, payload, entry.key, live)
      ended[#ended + 1] = entry.key
    end
  end
end
tell_ended(ARGV[4], ended)
return { page[1], #ended }
