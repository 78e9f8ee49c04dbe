//! Acknowledgements of replicas (`WAIT`), which all who wait for them at a time share.
//!
//! A `WAIT` holds its connection up, so there is one at a time; it counts the replicas that have all that the connection has written
//! so far. Without this, each revocation that misses its acknowledgements would hold up the next one.

use redis::Value;
use tokio::time::Instant;

use crate::{
    blocklist::{Outage, RevokeError},
    metrics,
    redis::{Request, Shared, commands::batch, connection::supervisor::Live, millis, settings::Replicas},
};

pub(crate) struct Acks;

impl batch::Batch for Acks {
    /// The connection that the revocation was written on.
    type Question = Live;
    type Answer = Result<(), RevokeError>;

    const LANES: usize = 1;
    const LARGEST: usize = usize::MAX;

    fn batcher(shared: &Shared) -> &batch::Batcher<Self> {
        &shared.acks
    }

    async fn send(shared: &Shared, written_on: Vec<Live>) -> Vec<Self::Answer> {
        let Some(Replicas { count, within }) = shared.settings.replicas else {
            return written_on.iter().map(|_| Ok(())).collect();
        };
        // The last one's: who has written on an older connection learns nothing.
        let Some(mut live) = written_on.last().cloned() else { return Vec::new() };
        let mut wait = redis::cmd("WAIT");
        wait.arg(count.get()).arg(millis(within));
        let deadline = Instant::now() + shared.settings.revoke_deadline;
        let outcome = match shared.writer().send(&mut live, Request::Command(&wait), deadline).await {
            Ok(Value::Int(acks)) if acks >= i64::from(count.get()) => Ok(()),
            Err(failure) if Outage::from(failure) == Outage::Failed => Err(RevokeError::Outage(Outage::Failed)),
            Ok(_) | Err(_) => Err(RevokeError::NotReplicated),
        };
        let answer = |written: &Live| if written.is_same(&live) { outcome } else { Err(RevokeError::NotReplicated) };
        written_on
            .iter()
            .map(answer)
            .inspect(|answer| {
                if answer.is_err() {
                    metrics::ack_missed()
                }
            })
            .collect()
    }
}
