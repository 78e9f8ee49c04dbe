//! Waiting with a deadline.

use std::{future::Future, time::Duration};

/// The time after which a hanging test fails. No test measures it.
const GIVE_UP: Duration = Duration::from_secs(30);

/// Returns the future's output; panics if it does not come in time.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(GIVE_UP, future).await.expect("this did not end in time")
}

/// Polls until the condition holds.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(GIVE_UP, asking).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}
