-- Writes a member into the roster, by the server's clock.
--
-- KEYS: the roster, the number of members that have joined. ARGV: the member, its kind, its
-- patience in milliseconds, and after how many milliseconds a silent member is removed.
-- Returns the server's time in milliseconds.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local text = ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. string.format('%.0f', now)
if redis.call('HSET', KEYS[1], ARGV[1], text) == 1 then
  redis.call('INCR', KEYS[2])
  local members = redis.call('HGETALL', KEYS[1])
  for index = 1, #members, 2 do
    local seen = tonumber(string.match(members[index + 1], '%d+$'))
    if not seen or seen + ARGV[4] < now then redis.call('HDEL', KEYS[1], members[index]) end
  end
end
return string.format('%.0f', now)
