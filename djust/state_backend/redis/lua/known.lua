-- KEYS: due
-- ARGV: cursor, count
-- Returns the next cursor and the session keys that one page of `due` knows.
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local names = {}
for i = 1, #page[2], 2 do names[#names + 1] = unpack_member(page[2][i]).key end
return { page[1], names }
