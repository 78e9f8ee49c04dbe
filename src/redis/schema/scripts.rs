//! The Lua scripts, and calls of those that write revocations.

use std::{sync::LazyLock, time::Duration};

use redis::{Pipeline, Script, ScriptInvocation};

use crate::{
    blocklist::{Revocation, RevocationId},
    clock::Timestamp,
    redis::schema::{entry, key_names::KeyNames, log_entry, millis},
};

static REVOKE: LazyLock<LuaScript> = LazyLock::new(|| LuaScript::with_prelude(include_str!("lua/revoke.lua")));
static RESTORE: LazyLock<LuaScript> = LazyLock::new(|| LuaScript::with_prelude(include_str!("lua/restore.lua")));

/// Begins an epoch.
pub(crate) static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/begin.lua")));
/// Writes a member into the roster.
pub(crate) static ANNOUNCE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/announce.lua")));

/// A script that begins with `prelude.lua`.
pub(crate) struct LuaScript {
    code: String,
    script: Script,
}

impl LuaScript {
    pub(crate) fn with_prelude(code: &str) -> Self {
        let code = [include_str!("lua/prelude.lua"), code].concat();
        Self { script: Script::new(&code), code }
    }

    /// A call with the keys and the argument that the prelude expects.
    pub(crate) fn call(&self, keys: &KeyNames, epoch: &str) -> ScriptInvocation<'_> {
        let mut call = self.script.key(keys.epoch());
        call.key(keys.log()).key(keys.longest()).arg(epoch);
        call
    }

    /// Loads the script: a server that was restarted does not know it.
    pub(crate) fn load(&self, pipeline: &mut Pipeline) {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(&self.code).ignore();
    }
}

/// The parameters of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write<'a> {
    /// The time by which lives are computed.
    pub(crate) now: Timestamp,
    /// The entry of the log. Empty if the log holds it already.
    pub(crate) packed: &'a [u8],
    /// Whether to write also if the entry would not change.
    pub(crate) always: bool,
}

/// The call of the script that stores a revocation in this epoch.
pub(crate) fn revoke_call(
    keys: &KeyNames,
    epoch: &str,
    revocation: &Revocation,
    write: Write<'_>,
) -> ScriptInvocation<'static> {
    let left = |until: Timestamp| until.since(write.now);
    let legacy = revocation.legacy_key().and_then(|(id, until)| Some((keys.legacy(Some(id))?, left(until))));
    let mut call = REVOKE.call(keys, epoch);
    call.key(keys.entry(revocation.scope(), revocation.id()));
    for argument in entry::arguments(&revocation.cut_off()) {
        call.arg(argument);
    }
    call.arg(millis(left(revocation.expiry()))).arg(write.packed).arg(if write.always { "always" } else { "" });
    call.arg(revocation.reason().unwrap_or_default());
    if let Some((key, live_for)) = legacy.filter(|(_, live_for)| *live_for > Duration::ZERO) {
        call.key(key).arg(millis(live_for));
    }
    call
}

/// The parameters of a restoration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restoration<'a> {
    /// The text of the epoch, open or closed.
    pub(crate) epoch: &'a str,
    /// The time by which lives are computed. Expired revocations are left out.
    pub(crate) now: Timestamp,
    pub(crate) log: Log,
    /// For how long to claim the epoch.
    pub(crate) claim: Option<Duration>,
}

/// The restored revocations that are appended to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// Those that Redis did not hold in full.
    Missing,
    /// All, because the log was lost.
    All,
    /// None, because they come from the log.
    None,
}

/// The call of the script that restores revocations. It also acknowledges for a member, if there is
/// one.
pub(crate) fn restore_call(
    keys: &KeyNames,
    restoration: &Restoration<'_>,
    revocations: &[Revocation],
    member: Option<RevocationId>,
) -> ScriptInvocation<'static> {
    let mut call = RESTORE.call(keys, restoration.epoch);
    call.key(keys.acks()).key(keys.claim());
    call.arg(restoration.now.as_millis()).arg(match restoration.log {
        Log::Missing => "missing",
        Log::All => "all",
        Log::None => "none",
    });
    call.arg(member.map(|member| member.to_string()).unwrap_or_default());
    call.arg(restoration.claim.map_or(0, millis));
    for revocation in revocations {
        call.key(keys.entry(revocation.scope(), revocation.id())).arg(log_entry::pack(revocation));
    }
    call
}

/// Loads the script of [`restore_call`]: a server that was restarted does not know it.
pub(crate) fn load_restore(pipeline: &mut Pipeline) {
    RESTORE.load(pipeline);
}
