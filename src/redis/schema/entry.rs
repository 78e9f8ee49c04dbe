//! How a revocation is written in Redis: `<all> <others> <except>`, the two times in milliseconds since the Unix epoch and the
//! session's name in hexadecimal digits, or nothing. See `CutOff` for what they mean.

use redis::{Script, Value};

use crate::{
    blocklist::{CutOff, Revocation, RevocationId},
    clock::Timestamp,
};

/// What the scripts share: the first three keys, and the first argument. Nothing is done in another epoch than the caller's, or where the
/// log is gone (`LOST`).
///
/// `read` takes an entry apart, and gives nothing for what is none. `revoke` merges an entry with what is stored, as
/// `CutOff::merge` does, gives it the longer of the two lives, and appends to the log; one that lives for ever (`PTTL` is -1) stays
/// so. It answers with the log's id of it, or with nothing where nothing changed (but for a second of its life,
/// which is not worth an entry) and it need not be written `always`. What comes
/// from the log itself (an empty `packed`) is not appended again. It fails on what is no entry: `GET` on a key of another type, which
/// `MGET` would not see.
///
/// Times stay text, and only comparisons see numbers: Lua's have 53 bits, which is enough for milliseconds, but it would not
/// write them as it has read them.
pub(crate) const PRELUDE: &str = r"
local epoch_key, log, longest_key = KEYS[1], KEYS[2], KEYS[3]
local longest = redis.call('GET', longest_key)
if redis.call('GET', epoch_key) ~= ARGV[1] or not longest then
  return redis.error_reply('LOST this is not the store that was written to')
end
local function later(a, b) if tonumber(a) >= tonumber(b) then return a end return b end
local function read(stored)
  local all, others, except = string.match(stored, '^(%d+) (%d+) (%x*)$')
  if all and (#except == 0 or #except == 32) then return all, others, except end
end
local function append(packed, ttl, reason)
  local fields = {'d', packed}
  if reason ~= '' then fields[3], fields[4] = 'r', reason end
  local id = redis.call('XADD', log, 'NOMKSTREAM', '*', unpack(fields))
  if not id then return redis.error_reply('LOST the log is gone') end
  if tonumber(ttl) > tonumber(longest) then
    longest = ttl
    redis.call('SET', longest_key, longest)
  end
  redis.call('XTRIM', log, 'MINID', '~', string.format('%.0f', math.max(0, string.match(id, '^%d+') - longest)))
  return id
end
local function revoke(key, all, others, except, ttl, packed, always, reason)
  local stored = redis.call('GET', key)
  local left = -2
  if stored then
    local s_all, s_others, s_except = read(stored)
    if not s_all then return redis.error_reply('NOENTRY the key holds something else than a revocation') end
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
  if entry == stored and (left == -1 or left + 1000 >= tonumber(ttl)) and always == '' then return '' end
  local id = 'in the log already'
  if packed ~= '' then
    id = append(packed, ttl, reason)
    if type(id) ~= 'string' then return id end
  end
  if left == -1 then
    redis.call('SET', key, entry)
  else
    redis.call('SET', key, entry, 'PX', later(ttl, left))
  end
  return id
end
";

/// The entry's key, and one that others look for, where there is one: it is set to nothing, and lives as long as it has to.
const REVOKE: &str = r"
local entry_key, bare_key = KEYS[4], KEYS[5]
local all, others, except, ttl, packed, always, reason, bare_ttl = unpack(ARGV, 2)
if bare_key then
  local left = redis.call('PTTL', bare_key)
  if left ~= -1 and left < tonumber(bare_ttl) then redis.call('SET', bare_key, '', 'PX', bare_ttl) end
end
return revoke(entry_key, all, others, except, ttl, packed, always, reason)
";

/// The code of the scripts' error when this is not the store that was written to.
pub(crate) const LOST: &str = "LOST";

pub(crate) fn script() -> Script {
    Script::new(&[PRELUDE, REVOKE].concat())
}

/// The entry's parts as the script takes them.
pub(crate) fn arguments(cut_off: &CutOff) -> [String; 3] {
    let except = cut_off.except.map(|session| session.to_string()).unwrap_or_default();
    [cut_off.all.as_millis().to_string(), cut_off.others.as_millis().to_string(), except]
}

/// Reads an entry. One that cannot be read was written by somebody who meant to revoke something: it refuses everything.
pub(crate) fn parse(entry: &[u8]) -> CutOff {
    try_parse(entry).unwrap_or(CutOff::ALWAYS)
}

/// Whether an entry, as `MGET` answers, refuses all that the revocation does.
pub(crate) fn holds(entry: &Value, revocation: &Revocation) -> bool {
    match entry {
        Value::BulkString(text) => {
            let stored = parse(text);
            stored.merge(revocation.cut_off()) == stored
        }
        _ => false,
    }
}

fn try_parse(entry: &[u8]) -> Option<CutOff> {
    let mut parts = std::str::from_utf8(entry).ok()?.split(' ');
    let mut time = || parse_time(parts.next()?);
    let (all, others) = (time()?, time()?);
    let except = match parts.next()? {
        "" => None,
        name => Some(RevocationId::from_hex(name)?),
    };
    if parts.next().is_some() { None } else { Some(CutOff { all, others, except }) }
}

/// Reads a time as it is written. Rust's own parser also takes a sign, which the scripts do not, and zeros before it, which are another
/// text to them.
pub(crate) fn parse_time(millis: &str) -> Option<Timestamp> {
    let is_canonical = millis == "0" || millis.starts_with(|first: char| matches!(first, '1'..='9'));
    let millis = millis.parse().ok().filter(|_| is_canonical)?;
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocklist::RevocationScope;

    #[test]
    fn what_is_written_is_read() {
        let session = RevocationId::new(None, RevocationScope::Session, "s");
        let moment = Timestamp::from_millis(1_767_225_600_123);
        for cut_off in [CutOff::ALWAYS, CutOff::up_to(moment), CutOff::up_to(moment).except_session(session)] {
            assert_eq!(parse(arguments(&cut_off).join(" ").as_bytes()), cut_off);
        }
    }

    #[test]
    fn r60_what_cannot_be_read_refuses_everything() {
        for entry in [
            "",
            "1",
            "1 2",
            "x 2 ",
            "1 2 3",
            "1 2  ",
            "-1 2 ",
            "+1 2 ",
            "1 +2 ",
            "01 2 ",
            "1 00 ",
            "18446744073709551616 2 ",
            "1 2 82c97bf51ca93f69a3c9993e37ef831g",
            "1 2 82C97BF51CA93F69A3C9993E37EF8310",
            "1 2 +1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1",
        ] {
            assert_eq!(parse(entry.as_bytes()), CutOff::ALWAYS, "{entry:?}");
        }
        assert_eq!(parse(b"\xFF"), CutOff::ALWAYS);
    }
}
