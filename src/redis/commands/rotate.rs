//! Redemptions of refresh tokens: one script, which does what `Redemption::decide` says and stores
//! the outcome.

use std::sync::LazyLock;

use redis::{ScriptInvocation, Value};
use tokio::time::Instant;

use crate::{
    blocklist::{CutOff, Generation, Outage, Redemption, RevocationScope, RevokeError, Rotation},
    clock::Timestamp,
    redis::{
        commands::revoke::Revoker,
        connection::{send::Request, supervisor::Live},
        error::Failure,
        loss::own_writes::AfterRestore,
        schema::{entry, log_entry, millis, scripts::LuaScript},
        shared::Shared,
    },
};

static ROTATE: LazyLock<LuaScript> = LazyLock::new(|| LuaScript::with_prelude(include_str!("rotate.lua")));

/// Redeems a refresh token. After a replay, `revoker` stores the session's revocation again if a
/// restore began meanwhile.
pub(crate) async fn rotate(
    shared: &Shared,
    revoker: &Revoker,
    redemption: &Redemption,
) -> Result<Rotation, RevokeError> {
    let deadline = Instant::now() + shared.settings.revoke_deadline;
    let clock = redis::cmd("TIME");
    let read = |_: &Live, time: &Value| parse_time(time);
    let (time, _) = shared.reader.send_with_retry(deadline, |_| Request::Command(&clock), read).await?;
    // From here on, the server may take as long as this process waits.
    let not_after = time + deadline.saturating_duration_since(Instant::now());
    // A retry after a broken connection proposes the same successor, so it is the same use.
    let call = |live: &Live| Request::Script(rotate_call(shared, redemption, live, not_after));
    let read = |live: &Live, reply: &Value| match live.connected.epoch.rejects(&redemption.ids) {
        true => Ok(Rotation::Revoked(RevocationScope::Issuer)),
        false => parse_rotation(reply, redemption).unwrap_or(Err(Outage::UnexpectedReply.into())),
    };
    let restorations = shared.restorations();
    let (rotation, _) = shared.reader.send_with_retry(deadline, call, read).await?;
    let theft = redemption.theft();
    if rotation == Rotation::Replayed && shared.note_own(&theft, restorations) == AfterRestore::PerhapsLost {
        revoker.revoke(&theft).await?;
    }
    Ok(rotation)
}

fn rotate_call(
    shared: &Shared,
    redemption: &Redemption,
    live: &Live,
    not_after: Timestamp,
) -> ScriptInvocation<'static> {
    let (keys, ids, theft) = (&shared.keys, &redemption.ids, redemption.theft());
    let mut call = ROTATE.call(keys, &live.connected.epoch.to_text());
    call.key(keys.newest(redemption.session)).key(keys.entry(theft.scope(), theft.id()));
    for (scope, id) in ids.each() {
        call.key(keys.entry(scope, id));
    }
    call.key(keys.legacy(ids.raw_jti()));
    let left = |until: Timestamp| millis(until.since(shared.now())).max(1);
    let digits = |token_id: u128| format!("{token_id:032x}");
    call.arg(redemption.presented)
        .arg(redemption.token_id.map(digits).unwrap_or_default())
        .arg(digits(redemption.successor))
        .arg(Timestamp::from(redemption.now).as_millis());
    call.arg(millis(redemption.grace)).arg(left(redemption.kept_until.into()));
    call.arg(CutOff::ALWAYS.all.as_millis()).arg(left(theft.expiry())).arg(log_entry::pack(&theft));
    call.arg(ids.issue_time().map_or(0, Timestamp::as_millis));
    call.arg(ids.session().map(|session| session.to_string()).unwrap_or_default()).arg(not_after.as_millis());
    call
}

/// Reads the reply to `TIME`: seconds and microseconds.
pub(crate) fn parse_time(reply: &Value) -> Result<Timestamp, Failure> {
    let number = |value: &Value| redis::from_redis_value_ref::<u64>(value).ok();
    let Value::Array(parts) = reply else { return Err(Outage::UnexpectedReply.into()) };
    match parts.iter().map(number).collect::<Option<Vec<_>>>().as_deref() {
        Some([seconds, micros]) => {
            Ok(Timestamp::from_millis(seconds.saturating_mul(1000).saturating_add(micros / 1000)))
        }
        _ => Err(Outage::UnexpectedReply.into()),
    }
}

/// Reads the script's reply; `None` for a reply of another form.
pub(crate) fn parse_rotation(reply: &Value, redemption: &Redemption) -> Option<Result<Rotation, Failure>> {
    let Value::Array(parts) = reply else { return None };
    let text = |value: &Value| redis::from_redis_value_ref::<String>(value).ok();
    let rotation = match (&*text(parts.first()?)?, &parts[1..]) {
        ("rotated", []) => Rotation::Rotated,
        ("replayed", []) => Rotation::Replayed,
        ("late", []) => return Some(Err(Outage::TimedOut.into())),
        ("revoked", [Value::Int(index)]) => {
            // After all ids comes the legacy key of the token.
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
