//! Redeeming a refresh token in Redis: one script, which does what `Redemption::decide` says and stores what it has decided.
//!
//! A session's newest refresh token is in `{ns}:r:<session>`: `<number> <minted at> <token id>`, the time in milliseconds since the
//! Unix epoch and the id in hexadecimal digits.

use std::sync::Arc;

use redis::{Script, ScriptInvocation, Value};
use tokio::time::Instant;

use crate::{
    blocklist::{CutOff, Generation, Outage, Redemption, RevocationScope, RevokeError, Rotate, RotateFuture, Rotation},
    clock::Timestamp,
    redis::{
        AfterRestore, Failure, Live, RedisBlocklist, Request, Shared, millis,
        schema::{entry, log_entry},
    },
};

/// KeyNames: the prelude's; the session's newest token; the session's revocation; the entries of all of the token's names.
///
/// Nothing is done after `not_after`, by the server's clock: a stalled server, or a network that delivers late, must not redeem a
/// token for somebody who was told long ago that it is still good.
const ROTATE: &str = r"
local newest_key, session_key = KEYS[4], KEYS[5]
local presented, successor, now, grace, kept, ever, revoked_for, theft, began, session, not_after = unpack(ARGV, 2)
presented, grace, began = tonumber(presented), tonumber(grace), tonumber(began)

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

local stored, left = redis.call('GET', newest_key), -2
if stored then
  local number, minted_at, token_id = string.match(stored, '^(%d+) (%d+) (%x+)$')
  if not number then return redis.error_reply('NOSTATE the key holds something else than a generation') end
  number = tonumber(number)
  local is_previous = presented + 1 == number
  if presented < number and not (is_previous and token_id == successor) then
    if is_previous and math.max(now - minted_at, 0) < grace then return {'repeated', number, minted_at, token_id} end
    local revoked = revoke(session_key, ever, '0', '', revoked_for, theft, '', 'replayed')
    if type(revoked) ~= 'string' then return revoked end
    return {'replayed'}
  end
  left = redis.call('PTTL', newest_key)
end
local newest = string.format('%.0f', math.min(presented + 1, 4294967295)) .. ' ' .. now .. ' ' .. successor
redis.call('SET', newest_key, newest, 'PX', later(kept, left))
return {'rotated'}
";

pub(crate) fn script() -> Script {
    Script::new(&[entry::PRELUDE, ROTATE].concat())
}

impl Shared {
    async fn rotate(self: &Arc<Self>, redemption: &Redemption) -> Result<Rotation, RevokeError> {
        let deadline = Instant::now() + self.settings.revoke_deadline;
        let clock = redis::cmd("TIME");
        let (time, _) = self.reader.insist(deadline, |_| Request::Command(&clock), |_, time| read_time(time)).await?;
        // From here on the server may take as long as we wait.
        let not_after = time + deadline.saturating_duration_since(Instant::now());
        // Sent again when the connection breaks under it, it proposes the same successor, and is the same use.
        let call = |live: &Live| Request::Script(self.redeem(redemption, live, not_after));
        let read = |live: &Live, reply: &Value| match live.connected.epoch.refuses(&redemption.ids) {
            true => Ok(Rotation::Revoked(RevocationScope::Issuer)),
            false => read_reply(reply, redemption).unwrap_or(Err(Outage::UnexpectedReply.into())),
        };
        let restorations = self.mirrors.restorations();
        let (rotation, _) = self.reader.insist(deadline, call, read).await?;
        let theft = redemption.theft();
        if rotation == Rotation::Replayed && self.mirrors.tell(&theft, restorations) == AfterRestore::PerhapsLost {
            self.revoke_and_tell(&theft).await?;
        }
        Ok(rotation)
    }

    fn redeem(&self, redemption: &Redemption, live: &Live, not_after: Timestamp) -> ScriptInvocation<'_> {
        let (ids, theft) = (&redemption.ids, redemption.theft());
        let mut call = self.script(&self.rotate_script, &live.connected.epoch.to_text());
        call.key(self.keys.newest(redemption.session)).key(self.keys.entry(theft.scope(), theft.id()));
        for (scope, id) in ids.each() {
            call.key(self.keys.entry(scope, id));
        }
        call.key(self.keys.bare(ids.raw_jti()));
        let left = |until: Timestamp| millis(until.since(self.now())).max(1);
        call.arg(redemption.presented)
            .arg(format!("{:032x}", redemption.successor))
            .arg(Timestamp::from(redemption.now).as_millis());
        call.arg(millis(redemption.grace)).arg(left(redemption.kept_until.into()));
        call.arg(CutOff::ALWAYS.all.as_millis()).arg(left(theft.expiry())).arg(log_entry::pack(&theft));
        call.arg(ids.issue_time().map_or(0, Timestamp::as_millis));
        call.arg(ids.session().map(|session| session.to_string()).unwrap_or_default()).arg(not_after.as_millis());
        call
    }
}

impl Rotate for RedisBlocklist {
    fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a> {
        Box::pin(self.0.rotate(redemption))
    }
}

/// Seconds and microseconds.
pub(crate) fn read_time(reply: &Value) -> Result<Timestamp, Failure> {
    let number = |value: &Value| redis::from_redis_value_ref::<u64>(value).ok();
    let Value::Array(parts) = reply else { return Err(Outage::UnexpectedReply.into()) };
    match parts.iter().map(number).collect::<Option<Vec<_>>>().as_deref() {
        Some([seconds, micros]) => {
            Ok(Timestamp::from_millis(seconds.saturating_mul(1000).saturating_add(micros / 1000)))
        }
        _ => Err(Outage::UnexpectedReply.into()),
    }
}

/// What the script answered, or `None` for what it never does.
pub(crate) fn read_reply(reply: &Value, redemption: &Redemption) -> Option<Result<Rotation, Failure>> {
    let Value::Array(parts) = reply else { return None };
    let text = |value: &Value| redis::from_redis_value_ref::<String>(value).ok();
    let rotation = match (&*text(parts.first()?)?, &parts[1..]) {
        ("rotated", []) => Rotation::Rotated,
        ("replayed", []) => Rotation::Replayed,
        ("late", []) => return Some(Err(Outage::TimedOut.into())),
        ("revoked", [Value::Int(index)]) => {
            // The one after all names is the token's bare id.
            let mut scopes = redemption.ids.each().map(|(scope, _)| scope).chain([RevocationScope::Token]);
            Rotation::Revoked(scopes.nth(usize::try_from(*index).ok()?)?)
        }
        ("repeated", [Value::Int(number), minted_at, token_id]) => Rotation::Repeated(Generation {
            number: u32::try_from(*number).ok()?,
            minted_at: entry::parse_time(&text(minted_at)?)?.into(),
            token_id: u128::from_str_radix(&text(token_id)?, 16).ok()?,
        }),
        _ => return None,
    };
    Some(Ok(rotation))
}
