//! The state shared by all commands and mirrors of one `RedisBlocklist`.

use tokio::runtime::Handle;

use crate::{
    clock::Timestamp,
    redis::{
        connection::{
            dial::{Connected, Dialer},
            supervisor::Supervisor,
        },
        local_mirrors::LocalMirrors,
        loss::detect::LastKnown,
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

    pub(crate) fn now(&self) -> Timestamp {
        self.settings.clock.now().into()
    }
}
