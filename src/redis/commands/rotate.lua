
-- Redeems a refresh token, as `Redemption::decide` says.
--
-- KEYS[4]: the session's newest refresh token: `<number> <minted at> <token id>`, the time in
-- milliseconds since the Unix epoch, the id in hexadecimal digits. KEYS[5]: the entry that revokes
-- the session. KEYS[6..]: the entries of all ids of the token.

local newest_key, session_key = KEYS[4], KEYS[5]
-- `presented_id` is empty for a token of another issuer.
local presented, presented_id, successor, now, grace, kept, ever, revoked_for, theft, began, session, not_after =
  unpack(ARGV, 2)
presented, grace, began = tonumber(presented), tonumber(grace), tonumber(began)

-- Do nothing after `not_after`, by the server's clock. A stalled server, or a network that delivers
-- late, must not redeem a token after the caller was told that the redemption failed.
local time = redis.call('TIME')
if time[1] * 1000 + math.floor(time[2] / 1000) > tonumber(not_after) then return {'late'} end

local function refuses(stored)
  local all, others, except = read(stored)
  if not all then return true end
  local limit = tonumber(all)
  if except == '' or except ~= session then limit = math.max(limit, tonumber(others)) end
  return began <= limit
end
for index, stored in ipairs(redis.call('MGET', unpack(KEYS, 6))) do
  if stored and refuses(stored) then return {'revoked', index - 1} end
end

local next_number = math.min(presented + 1, 4294967295)
local stored, left = redis.call('GET', newest_key), -2
if stored then
  local number, minted_at, token_id = string.match(stored, '^(%d+) (%d+) (%x+)$')
  if not number then return redis.error_reply('NOSTATE the key holds something other than a generation') end
  number = tonumber(number)
  local is_same_use = next_number == number and token_id == successor
  local is_newest = presented == number and (presented_id == '' or presented_id == token_id)
  if presented <= number and not is_same_use and not is_newest then
    if presented + 1 == number and math.max(now - minted_at, 0) < grace then return {'repeated', number, minted_at, token_id} end
    local revoked = revoke(session_key, ever, '0', '', revoked_for, theft, '', 'replayed')
    if type(revoked) ~= 'string' then return revoked end
    return {'replayed'}
  end
  left = redis.call('PTTL', newest_key)
end
local newest = string.format('%.0f', next_number) .. ' ' .. now .. ' ' .. successor
redis.call('SET', newest_key, newest, 'PX', later(kept, left))
return {'rotated'}
