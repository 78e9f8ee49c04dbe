-- Writes the log again with the same ids. Only the last entry, a revocation, is another one, and
-- what it revoked is not revoked here. Returns 0, and changes nothing, if it is no revocation.

local entries = redis.call('XRANGE', KEYS[1], '-', '+')
local last = entries[#entries][2]
if last[1] ~= 'd' or string.sub(last[2], 1, 1) ~= 's' then return 0 end

local id = string.sub(last[2], 2, 17)
local hex = string.gsub(id, '.', function(byte) return string.format('%02x', string.byte(byte)) end)
if redis.call('DEL', '{jwt}:s:' .. hex) ~= 1 then return redis.error_reply('the entry is not there') end
last[2] = 's' .. string.reverse(id) .. string.sub(last[2], 18)

redis.call('DEL', KEYS[1])
for _, entry in ipairs(entries) do redis.call('XADD', KEYS[1], entry[1], unpack(entry[2])) end
return 1
