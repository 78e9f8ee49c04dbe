-- Begins an epoch, if the present one is still the expected one ('' for none).
--
-- KEYS: the epoch, the log, the longest life, the claim, the acknowledgements. ARGV: the expected
-- epoch, the new epoch, and for how many milliseconds to claim it ('0' for not at all).
-- Returns the epoch that is there afterwards.

local epoch = redis.call('GET', KEYS[1]) or ''
if epoch ~= ARGV[1] then return epoch end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('XADD', KEYS[2], '*', 'e', ARGV[2])
redis.call('SET', KEYS[3], '0', 'NX')
redis.call('DEL', KEYS[4], KEYS[5])
if ARGV[3] ~= '0' then redis.call('SET', KEYS[4], '', 'PX', ARGV[3]) end
return ARGV[2]
