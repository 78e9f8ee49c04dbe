-- Trims the log before an entry. The prelude has compared the epoch, so the id is of this log.
--
-- ARGV[2]: the id of the oldest entry that stays. Returns how many entries were removed. Redis
-- removes whole blocks of entries, and a bounded number at a time.

return redis.call('XTRIM', log, 'MINID', '~', ARGV[2])
