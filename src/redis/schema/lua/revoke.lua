
-- Stores one revocation.
--
-- KEYS[4]: the entry. KEYS[5], optional: the key that the FastAPI tutorial's application looks for.
-- That key holds nothing, and lives at least as long as the token.

local entry_key, legacy_key = KEYS[4], KEYS[5]
local all, others, except, ttl, packed, always, reason, legacy_ttl = unpack(ARGV, 2)
if legacy_key then
  local left = redis.call('PTTL', legacy_key)
  if left ~= -1 and left < tonumber(legacy_ttl) then redis.call('SET', legacy_key, '', 'PX', legacy_ttl) end
end
return revoke(entry_key, all, others, except, ttl, packed, always, reason)
