//! The state shared by all commands and mirrors of one `RedisBlocklist`.

use tokio::runtime::Handle;

use crate::{
    blocklist::Revocation,
    clock::Timestamp,
    redis::{
        connection::{
            dial::{Connected, Dialer},
            supervisor::Supervisor,
        },
        local_mirrors::LocalMirrors,
        loss::{detect::LastKnown, own_writes::AfterRestore},
        schema::key_names::KeyNames,
        settings::RedisSettings,
    },
};

pub(crate) struct Shared {
    pub(crate) reader: Supervisor,
    /// A connection of its own, if replicas must acknowledge: `WAIT` blocks its connection.
    waiting_writer: Option<Supervisor>,
    pub(crate) settings: RedisSettings,
    pub(crate) keys: KeyNames,
    pub(crate) dialer: Dialer,
    pub(crate) mirrors: LocalMirrors,
    pub(crate) runtime: Handle,
}

impl Shared {
    /// Starts the connections. `first` is a connection that was dialed already. Call within a tokio
    /// runtime.
    pub(crate) fn start(
        settings: RedisSettings,
        dialer: Dialer,
        last_known: LastKnown,
        first: Option<Connected>,
        runtime: Handle,
    ) -> Self {
        let supervise =
            |last_known, first| Supervisor::start(dialer.clone(), last_known, settings.shown_address(), first);
        Self {
            reader: supervise(last_known, first),
            waiting_writer: settings.replicas.map(|_| supervise(LastKnown::default(), None)),
            keys: settings.keys(),
            settings,
            dialer,
            mirrors: LocalMirrors::default(),
            runtime,
        }
    }

    /// The connection for revocations.
    pub(crate) fn writer(&self) -> &Supervisor {
        self.waiting_writer.as_ref().unwrap_or(&self.reader)
    }

    /// The number of restorations that this process has answered. Read it before a revocation is
    /// stored, for [`note_own`](Self::note_own).
    pub(crate) fn restorations(&self) -> usize {
        self.dialer.process.own_writes.restorations()
    }

    /// Remembers a revocation that this process has stored, and tells its mirrors.
    pub(crate) fn note_own(&self, revocation: &Revocation, restorations_before: usize) -> AfterRestore {
        self.mirrors.notify(revocation);
        self.dialer.process.own_writes.add(revocation, restorations_before)
    }

    /// Looks at Redis at once, because a mirror has noticed a loss.
    pub(crate) fn note_loss(&self) {
        for supervisor in [Some(&self.reader), self.waiting_writer.as_ref()].into_iter().flatten() {
            if let Ok(live) = supervisor.live() {
                supervisor.lost(&live);
            }
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.settings.clock.now().into()
    }
}
