-- KEYS: due, act, never, gone, meta
-- ARGV: how many sessions to sample for the average, rank in act to start from, rank in never to start from
-- Returns: live, overdue, lowest deadline, length of the outbox, now, when the index was last walked ('' never),
-- oldest and newest activity of live sessions,
-- sum of sampled ages, sampled, next ranks ('' when both ends were found).
local due, act, never = KEYS[1], KEYS[2], KEYS[3]
local base = string.sub(due, 1, -4)
local now = now_ms()
local live = redis.call('ZCOUNT', due, '(' .. whole(now), '+inf')
local overdue = redis.call('ZCOUNT', due, '-inf', whole(now))
local lowest = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2] or ''

local STEP, MOST = 4, 1024
local function first_live(set, from, command)
  local rank = from
  while rank < from + MOST do
    local page = redis.call(command, set, rank, rank + STEP - 1, 'WITHSCORES')
    for i = 1, #page, 2 do
      if redis.call('PTTL', base .. 's:' .. page[i]) ~= -2 then return page[i + 1], '' end
    end
    if #page < 2 * STEP then return '', '' end
    rank = rank + STEP
  end
  return '', rank
end

local sum, sampled = 0, 0
local function sample(set, count)
  local size = redis.call('ZCARD', set)
  if size == 0 then return end
  local step = math.max(1, size / count)
  local position = step > 1 and step / 2 or 0
  while position < size do
    local at = math.floor(position)
    local found = redis.call('ZRANGE', set, at, at, 'WITHSCORES')
    if found[1] and redis.call('PTTL', base .. 's:' .. found[1]) ~= -2 then
      sum, sampled = sum + (now - tonumber(found[2])), sampled + 1
    end
    position = position + step
  end
end

local oldest, newest, next_act, next_never = {}, {}, '', ''
-- Both ends are walked alike, so one rank says where to go on.
local function ends(set, from, index)
  local next_oldest, next_newest
  oldest[index], next_oldest = first_live(set, from, 'ZRANGE')
  newest[index], next_newest = first_live(set, from, 'ZREVRANGE')
  return next_oldest ~= '' and next_oldest or next_newest
end
if ARGV[2] ~= '' then next_act = ends(act, tonumber(ARGV[2]), 1) end
if ARGV[3] ~= '' then next_never = ends(never, tonumber(ARGV[3]), 2) end
local in_never = redis.call('ZCARD', never)
local in_act = redis.call('ZCARD', act)
local wanted = tonumber(ARGV[1])
if wanted > 0 and in_act + in_never > 0 then
  local share = math.floor(wanted * in_never / (in_act + in_never) + 0.5)
  if in_act + in_never <= wanted then share = in_never end
  if in_never > 0 then sample(never, math.max(1, share)) end
  if in_act > 0 then sample(act, math.max(1, wanted - share)) end
end
if wanted > 0 and sampled == 0 then
  -- The sample met none that lives: what the ends found has to do.
  for _, list in ipairs({ oldest, newest }) do
    for index = 1, 2 do
      if list[index] and list[index] ~= '' then
        sum, sampled = sum + (now - tonumber(list[index])), sampled + 1
      end
    end
  end
end
return { live, overdue, lowest, redis.call('LLEN', KEYS[4]), whole(now), redis.call('HGET', KEYS[5], 'verified') or '',
  oldest[1] or '', oldest[2] or '', newest[1] or '', newest[2] or '', whole(sum), sampled, next_act, next_never }
