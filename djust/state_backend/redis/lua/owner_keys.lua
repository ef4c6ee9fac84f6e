-- KEYS: due, act, never, meta
-- ARGV: owner, channel, keys of sessions
-- Ends those of these sessions that are the owner's. Returns how many lived.
local base = string.sub(KEYS[1], 1, -4)
local ended = {}
for i = 3, #ARGV do
  local payload = base .. 's:' .. ARGV[i]
  local live = header(payload)
  if live and live.owner == ARGV[1] then
    erase({ due = KEYS[1], act = KEYS[2], never = KEYS[3], meta = KEYS[4] }, payload, ARGV[i], live)
    ended[#ended + 1] = ARGV[i]
  end
end
tell_ended(ARGV[2], ended)
return #ended
