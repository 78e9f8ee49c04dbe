//! Calls of the Lua scripts that write revocations.

use std::{sync::LazyLock, time::Duration};

use redis::{Pipeline, Script, ScriptInvocation};

use crate::{
    blocklist::Revocation,
    clock::Timestamp,
    redis::schema::{entry, key_names::KeyNames, millis},
};

static REVOKE: LazyLock<LuaScript> = LazyLock::new(|| LuaScript::with_prelude(include_str!("revoke.lua")));

/// A script that begins with `prelude.lua`.
pub(crate) struct LuaScript {
    code: String,
    script: Script,
}

impl LuaScript {
    pub(crate) fn with_prelude(code: &str) -> Self {
        let code = [include_str!("prelude.lua"), code].concat();
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
        pipeline.cmd("SCRIPT").arg("LOAD").arg(&self.code);
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

/// Loads the script of [`revoke_call`]: a server that was restarted does not know it.
pub(crate) fn load_revoke(pipeline: &mut Pipeline) {
    REVOKE.load(pipeline);
}
