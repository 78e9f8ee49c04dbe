//! Waiting for an event, with an end.

use std::{future::Future, time::Duration};

/// So long until a test that hangs fails. Nothing is measured by it.
const GIVE_UP: Duration = Duration::from_secs(30);

/// The future's output; a panic when it never comes.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(GIVE_UP, future).await.expect("this never ends")
}

/// Asks again and again until the answer is yes.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(GIVE_UP, asking).await.unwrap_or_else(|_| panic!("never came true: {what}"));
}
