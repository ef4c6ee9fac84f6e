-- KEYS: payload, due, act, never, meta
-- ARGV: key, channel
-- Returns 1 if the session lived.
local live = header(KEYS[1])
if live == nil then return 0 end
erase({ due = KEYS[2], act = KEYS[3], never = KEYS[4], meta = KEYS[5] }, KEYS[1], ARGV[1], live)
tell_ended(ARGV[2], { ARGV[1] })
return 1
