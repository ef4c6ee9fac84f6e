-- KEYS: act
-- ARGV: idle ms, offset, limit
-- Returns how many entries were looked at, and how many of them are live sessions that have been idle for longer.
local base = string.sub(KEYS[1], 1, -4)
local cutoff = '(' .. whole(now_ms() - tonumber(ARGV[1]))
local names = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', cutoff, 'LIMIT', ARGV[2], ARGV[3])
local live = 0
for i = 1, #names do
  if redis.call('PTTL', base .. 's:' .. names[i]) ~= -2 then live = live + 1 end
end
return { #names, live }
