//! Acknowledgements of replicas (`WAIT`).
//!
//! A `WAIT` blocks its connection, so there is one at a time, and concurrent revocations share it:
//! it counts the replicas that have everything the connection has written so far. Otherwise each
//! revocation without its acknowledgements would delay the next one.

use std::sync::Arc;

use redis::Value;
use tokio::time::Instant;

use crate::{
    blocklist::{Outage, RevokeError},
    metrics,
    redis::{
        commands::batch::Batch,
        connection::{send::Request, supervisor::Live},
        schema::millis,
        settings::Replicas,
        shared::Shared,
    },
};

pub(crate) struct Acks(pub(crate) Arc<Shared>);

impl Batch for Acks {
    /// The connection that the revocation was written on.
    type Question = Live;
    type Answer = Result<(), RevokeError>;

    const LANES: usize = 1;
    const LARGEST: usize = usize::MAX;

    async fn send(&self, written_on: Vec<Live>) -> Vec<Self::Answer> {
        let shared = &*self.0;
        let Some(Replicas { count, within }) = shared.settings.replicas else {
            return written_on.iter().map(|_| Ok(())).collect();
        };
        // The newest connection. `WAIT` says nothing about writes on an older one.
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
