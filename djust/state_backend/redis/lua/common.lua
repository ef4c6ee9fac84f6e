-- Shared by every script. docs/data-model.md describes the keys and records.

local MAGIC, FORMAT, FIXED = 'dj', 1, 51
local FIELDS = '>c8I8I8I8I8HBHH'
local BODY_FORMAT, BODY_FLAGS = 1, 1
local OUTBOX_CAP = 4096
-- Evictions mean that memory is short. Then names may take up half of what the sessions' own entries do.
local EVICTED_CAP, EVICTED_SHARE = 64, 0.5

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Lua prints large numbers in exponent form, which loses milliseconds.
local function whole(number)
  return string.format('%.0f', number)
end

-- The header of a payload: nil if there is none, false if this release cannot read it.
local function header(key)
  local raw = redis.pcall('GETRANGE', key, 0, 255)
  if type(raw) == 'table' then return false end
  if raw == '' then return nil end
  if #raw < FIXED or string.sub(raw, 1, 2) ~= MAGIC or string.byte(raw, 3) ~= FORMAT then return false end
  local version, created, active, deadline, ttl, offset, bucket, olen, llen = struct.unpack(FIELDS, raw, 5)
  if offset < FIXED + olen + llen then return false end
  if offset + 2 > #raw then raw = redis.call('GETRANGE', key, 0, offset + 1) end
  local body_format, body_flags = string.byte(raw, offset + 1, offset + 2)
  if body_format ~= BODY_FORMAT or body_flags == nil or body_flags > BODY_FLAGS then return false end
  return {
    version = version, created = created, active = active, deadline = deadline, ttl = ttl, bucket = bucket,
    owner = string.sub(raw, FIXED + 1, FIXED + olen),
    label = string.sub(raw, FIXED + olen + 1, FIXED + olen + llen),
    unreadable = string.byte(raw, 4) ~= 0,
    raw = string.sub(raw, 1, offset),
  }
end

-- One index member per incarnation of a session, so that what is lost can still be named.
local function pack_member(key, created, bucket, owner, label)
  return struct.pack('>I6BHH', created, bucket, #key, #owner) .. key .. owner .. label
end

-- The key alone, for those who look at many.
local function member_key(member)
  local high, low = string.byte(member, 8, 9)
  return string.sub(member, 12, 11 + high * 256 + low)
end

local function unpack_member(member)
  local created, bucket, klen, olen, at = struct.unpack('>I6BHH', member)
  local owner_at = at + klen
  return {
    created = created, bucket = bucket,
    key = string.sub(member, at, owner_at - 1),
    owner = string.sub(member, owner_at, owner_at + olen - 1),
    label = string.sub(member, owner_at + olen),
  }
end

-- Whether a payload is gone, or that of a later incarnation than `member` is. The first 51 bytes tell nearly always.
local function is_lost(payload, member)
  local raw = redis.pcall('GETRANGE', payload, 0, FIXED - 1)
  if raw == '' then return true end
  if type(raw) == 'string' and #raw == FIXED and string.sub(raw, 15, 20) == string.sub(member, 1, 6)
    and string.sub(raw, 47, 49) == string.sub(member, 7, 7) .. string.sub(member, 10, 11) then
    return false
  end
  local live = header(payload)
  if not live then return live == nil end
  local entry = unpack_member(member)
  return pack_member(entry.key, live.created, live.bucket, live.owner, live.label) ~= member
end

local function owner_key(base, bucket)
  return base .. 'o:' .. string.format('%02x', bucket)
end

local function forget_owner(base, meta, bucket, key)
  if redis.call('HDEL', owner_key(base, bucket), key) == 1 then redis.call('HINCRBY', meta, 'owned', -1) end
end

-- What of a shard's index can be trusted: 0 all; 1 the owner index lost entries; 2 so did `due`; 3 the shard is empty, or
-- was lost whole. Returns that and how many entries `due` has.
local function index_trust(due, act, never, meta)
  local base = string.sub(due, 1, -4)
  local in_due = redis.call('ZCARD', due)
  -- Every live session has one entry in `due` and one by activity; old incarnations only add to `due`.
  if in_due < redis.call('ZCARD', act) + redis.call('ZCARD', never) then return 2, in_due end
  local owned = redis.call('HGET', meta, 'owned')
  local entries = 0
  for bucket = 0, 255 do entries = entries + redis.call('HLEN', owner_key(base, bucket)) end
  if entries ~= tonumber(owned or 0) or (not owned and in_due > 0) then return 1, in_due end
  return in_due == 0 and 3 or 0, in_due
end

local function last_activity(act, never, key)
  return redis.call('ZSCORE', act, key) or redis.call('ZSCORE', never, key)
end

-- Takes index entries out whose session is over, and puts them into the outbox for reporting.
-- `entries` is a flat list of member, deadline. With `capped`, a full outbox counts names instead of keeping them.
-- Returns how many were taken out, were gone already and turned out to be alive.
local function take_out(keys, entries, now, capped)
  local due, act, never, gone, meta = keys.due, keys.act, keys.never, keys.gone, keys.meta
  local base = string.sub(due, 1, -4)
  local members, records, forgotten, freed, renewed, superseded = {}, {}, {}, {}, {}, {}
  local already, disowned, dropped, nameless = 0, 0, 0, 0
  local room, room_for_evicted = math.huge, math.huge
  if capped then
    local waiting = redis.call('LLEN', gone)
    room = OUTBOX_CAP - waiting
    room_for_evicted = EVICTED_CAP + EVICTED_SHARE * redis.call('ZCARD', due) - waiting
  end
  for i = 1, #entries, 2 do
    local member, deadline = entries[i], entries[i + 1]
    local entry = unpack_member(member)
    local payload = base .. 's:' .. entry.key
    local pttl = redis.call('PTTL', payload)
    local overdue = tonumber(deadline) <= now
    local over, last = false, nil
    if pttl == -2 then
      over, already = true, already + 1
      last = last_activity(act, never, entry.key)
      forgotten[#forgotten + 1] = entry.key
      if entry.owner ~= '' then
        disowned = disowned + redis.call('HDEL', owner_key(base, entry.bucket), entry.key)
      end
    else
      local live = header(payload)
      if live and pack_member(entry.key, live.created, live.bucket, live.owner, live.label) == member then
        if overdue and live.deadline > 0 and live.deadline <= now then
          over, last = true, live.active
          freed[#freed + 1] = payload
          forgotten[#forgotten + 1] = entry.key
          if entry.owner ~= '' then forget_owner(base, meta, entry.bucket, entry.key) end
        elseif overdue then
          renewed[#renewed + 1] = { member, live.deadline > 0 and whole(live.deadline) or '+inf' }
        end
      elseif live then
        -- The key belongs to a later incarnation by now.
        over = true
        -- In the same bucket, the entry is the new owner's.
        if entry.owner ~= '' and (live.owner == '' or live.bucket ~= entry.bucket) then
          forget_owner(base, meta, entry.bucket, entry.key)
        end
        superseded[#superseded + 1] = { live.ttl > 0 and never or act, entry.key }
      elseif overdue and pttl > 0 then
        renewed[#renewed + 1] = { member, whole(now + pttl) }
      elseif overdue then
        -- Something unreadable that has no deadline lies there.
        over = true
        forgotten[#forgotten + 1] = entry.key
        if entry.owner ~= '' then forget_owner(base, meta, entry.bucket, entry.key) end
      end
    end
    if over then
      members[#members + 1] = member
      local at = deadline == 'inf' and 0 or tonumber(deadline)
      if overdue and #records >= room then
        dropped = dropped + 1
      elseif not overdue and #records >= math.min(room, room_for_evicted) then
        nameless = nameless + 1
      else
        records[#records + 1] = struct.pack('>c1I8I8', overdue and 'x' or 'e', at, tonumber(last or 0)) .. member
      end
    end
  end
  if disowned > 0 then redis.call('HINCRBY', meta, 'owned', -disowned) end
  if #members > 0 then
    redis.call('ZREM', due, unpack(members))
    if #forgotten > 0 then
      redis.call('ZREM', act, unpack(forgotten))
      redis.call('ZREM', never, unpack(forgotten))
    end
    for i = 1, #superseded do redis.call('ZREM', superseded[i][1], superseded[i][2]) end
    if #freed > 0 then redis.call('UNLINK', unpack(freed)) end
    if #records > 0 then redis.call('RPUSH', gone, unpack(records)) end
    if dropped > 0 then redis.call('HINCRBY', meta, 'dropped', dropped) end
    if nameless > 0 then redis.call('HINCRBY', meta, 'nameless', nameless) end
  end
  for i = 1, #renewed do
    redis.call('ZREM', due, renewed[i][1])
    redis.call('ZADD', due, renewed[i][2], renewed[i][1])
  end
  return #members, already, #renewed
end

-- Tells whoever listens that these sessions were deleted. Who may not publish deletes all the same.
local function tell_ended(channel, keys)
  for i = 1, #keys do
    local reply = redis.pcall('PUBLISH', channel, '\5ended' .. keys[i])
    if type(reply) == 'table' then return end
  end
end

-- Ends a live session without a report.
local function erase(keys, payload, key, live)
  local base = string.sub(keys.due, 1, -4)
  redis.call('UNLINK', payload)
  redis.call('ZREM', keys.act, key)
  redis.call('ZREM', keys.never, key)
  if live then
    local member = pack_member(key, live.created, live.bucket, live.owner, live.label)
    redis.call('ZREM', keys.due, member)
    if live.owner ~= '' then forget_owner(base, keys.meta, live.bucket, key) end
    return
  end
  -- An unreadable header names no member: look for it, so that it is not taken for a lost session.
  local cursor = '0'
  repeat
    local page = redis.call('ZSCAN', keys.due, cursor, 'COUNT', 1000)
    cursor = page[1]
    for i = 1, #page[2], 2 do
      local entry = unpack_member(page[2][i])
      if entry.key == key then
        redis.call('ZREM', keys.due, page[2][i])
        if entry.owner ~= '' then forget_owner(base, keys.meta, entry.bucket, key) end
      end
    end
  until cursor == '0'
end
