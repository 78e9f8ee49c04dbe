-- Shared beginning of the scripts that write revocations.
--
-- KEYS: the epoch, the log, the longest life of an entry. ARGV[1]: the caller's epoch.
-- A script does nothing if the store is in another epoch, or if its log is gone: error LOST.
--
-- Times stay text, and only comparisons see numbers. Lua's numbers have 53 bits, which is enough
-- for milliseconds, but Lua would not write them the way it has read them.

local epoch_key, log, longest_key = KEYS[1], KEYS[2], KEYS[3]
local longest = redis.call('GET', longest_key)
if redis.call('GET', epoch_key) ~= ARGV[1] or not longest then
  return redis.error_reply('LOST this is not the store that was written to')
end

local function later(a, b) if tonumber(a) >= tonumber(b) then return a end return b end

-- The cut-off of a revocation without one: the year 9999. Its whole entry is ALWAYS: Redis shares
-- small integers among all keys, so the entry takes no memory for its value.
local EVER, ALWAYS = '253402300799000', '1'

-- Splits an entry into its parts; returns nothing if the text is not an entry.
local function read(stored)
  if stored == ALWAYS then return EVER, '0', '' end
  local all, others, except = string.match(stored, '^(%d+) (%d+) (%x*)$')
  if all and (#except == 0 or #except == 32) then return all, others, except end
end

-- Appends to the log, and trims entries that are older than the longest life.
local function append(field, value, ttl, reason)
  local fields = {field, value}
  if reason ~= '' then fields[3], fields[4] = 'r', reason end
  -- NOMKSTREAM: a log that was deleted must not come back almost empty.
  local id = redis.call('XADD', log, 'NOMKSTREAM', '*', unpack(fields))
  if not id then return redis.error_reply('LOST the log is gone') end
  if tonumber(ttl) > tonumber(longest) then
    longest = ttl
    redis.call('SET', longest_key, longest)
  end
  redis.call('XTRIM', log, 'MINID', '~', string.format('%.0f', math.max(0, string.match(id, '^%d+') - longest)))
  return id
end

-- Merges an entry with the stored one, as `CutOff::merge` does, and appends it to the log.
--
-- The entry gets the longer of the two lives; one that never expires (PTTL is -1) stays so.
-- An empty `packed` means that the log holds the entry already, so it is not appended.
-- Returns the id of the log entry. Returns '' if nothing changed and `always` is empty: a life that
-- is longer by less than a second is not worth a log entry.
-- A key that holds something other than an entry is an error. GET also fails on a key of another
-- type, which MGET would report as missing.
local function revoke(key, all, others, except, ttl, packed, always, reason)
  local stored = redis.call('GET', key)
  local left = -2
  if stored then
    local s_all, s_others, s_except = read(stored)
    if not s_all then return redis.error_reply('NOENTRY the key holds something other than a revocation') end
    local smaller = s_others
    if tonumber(s_others) > tonumber(others) then
      smaller, others = others, s_others
      except, s_except = s_except, except
    end
    all = later(all, s_all)
    if except ~= s_except then all = later(all, smaller) end
    if tonumber(others) <= tonumber(all) then others, except = '0', '' end
    left = redis.call('PTTL', key)
  end
  local entry = all .. ' ' .. others .. ' ' .. except
  if all == EVER then entry = ALWAYS end
  if entry == stored and (left == -1 or left + 1000 >= tonumber(ttl)) and always == '' then return '' end
  local id = 'in the log already'
  if packed ~= '' then
    id = append('d', packed, ttl, reason)
    if type(id) ~= 'string' then return id end
  end
  if left == -1 then
    redis.call('SET', key, entry)
  else
    redis.call('SET', key, entry, 'PX', later(ttl, left))
  end
  return id
end
