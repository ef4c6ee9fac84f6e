-- KEYS: due, act, never, meta
-- ARGV: name for a new mark, milliseconds of the look before, the name of the mark that was left then ('' none), '1' to
--       look for older entries in any case, and seconds from now: how many sessions live longer than each
-- The mark tells, together with entries that are older than the look before, whether the index was lost meanwhile.
-- Returns: the mark of the look before and the one that is there now ('' none), live, overdue, 1 if an entry is older,
-- 1 if `due` lacks entries, and the live sessions by how long they live.
local due, meta = KEYS[1], KEYS[4]
local now, since = now_ms(), tonumber(ARGV[2])
local old = redis.call('HGET', meta, 'mark') or ''
local live = redis.call('ZCOUNT', due, '(' .. whole(now), '+inf')
local in_due = redis.call('ZCARD', due)
-- Every live session has one entry in `due` and one by activity; old incarnations only add to `due`.
local incomplete = in_due < redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3])
local older = 0
local name = string.match(old, '^(%S+) ')
if name == nil or name ~= ARGV[3] or ARGV[4] == '1' then
  for _, range in ipairs({ { 0, 99 }, { -100, -1 } }) do
    local members = redis.call('ZRANGE', due, range[1], range[2])
    for i = 1, #members do
      if struct.unpack('>I6', members[i]) < since then older = 1 end
    end
  end
end
-- Full memory refuses it. Then the old mark stays, or there is none until there is room.
redis.pcall('HSET', meta, 'mark', (name or ARGV[1]) .. ' ' .. whole(now))
local ahead = {}
for i = 5, #ARGV do ahead[i - 4] = redis.call('ZCOUNT', due, '(' .. whole(now + ARGV[i] * 1000), '+inf') end
return { old, redis.call('HGET', meta, 'mark') or '', live, in_due - live, older, incomplete and 1 or 0, ahead }
