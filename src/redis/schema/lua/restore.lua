-- Restores revocations, and acknowledges that a member has restored its recent ones.
--
-- KEYS[4]: the acknowledgements. KEYS[5]: the claim. KEYS[6..]: the entries. ARGV[2]: the time by
-- which lives are computed. ARGV[3]: what is appended to the log: the `missing` entries, `all` of
-- them, or `none`. ARGV[4]: the member that acknowledges, or ''. ARGV[5]: for how many milliseconds
-- to claim the epoch, or '0'. ARGV[6..]: the revocations, packed as in the log.
-- Returns how many entries were missing.

local acks, claim = KEYS[4], KEYS[5]
local now, appended, member, claimed_for = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
-- An entry of the log holds up to this many, so that it fits into a node of the stream (4096 bytes).
local LARGEST = 128

local many, longest_life, missing = {}, 0, 0
local function flush()
  if #many == 0 then return end
  local id = append('b', table.concat(many), string.format('%.0f', longest_life), '')
  many, longest_life = {}, 0
  if type(id) ~= 'string' then return id end
end

local function unpack_entry(packed)
  if #packed == 25 then return EVER, '0', '' end
  local all = string.format('%.0f', struct.unpack('>I8', packed, 26))
  if #packed == 33 then return all, '0', '' end
  local except = string.gsub(string.sub(packed, 42), '.', function(byte) return string.format('%02x', string.byte(byte)) end)
  return all, string.format('%.0f', struct.unpack('>I8', packed, 34)), except
end

for index = 6, #ARGV do
  local packed, key = ARGV[index], KEYS[index]
  local life = struct.unpack('>I8', packed, 18) - now
  if life > 0 then
    local ttl = string.format('%.0f', life)
    local is_missing = #packed == 25 and redis.call('SET', key, ALWAYS, 'PX', ttl, 'NX')
    if not is_missing then
      local all, others, except = unpack_entry(packed)
      local answer = revoke(key, all, others, except, ttl, '', '', '')
      if type(answer) ~= 'string' then return answer end
      is_missing = answer ~= ''
    end
    if is_missing then missing = missing + 1 end
    if appended == 'all' or (appended == 'missing' and is_missing) then
      many[#many + 1] = string.char(#packed) .. packed
      longest_life = math.max(longest_life, life)
      local failure = #many == LARGEST and flush()
      if failure then return failure end
    end
  end
end
local failure = flush()
if failure then return failure end
if claimed_for ~= '0' then redis.call('SET', claim, '', 'PX', claimed_for) end
if member ~= '' then redis.call('HSET', acks, member, '') end
return missing
