//! r34: the choice of the cryptography provider. `src/keys/provider.rs` tests that each works.

use super::{PROVIDERS, ask, guard};
use crate::support::{clock, good_token, settings};

/// With both features enabled a provider is still chosen by default, where jsonwebtoken alone would
/// panic.
#[tokio::test]
async fn r34_two_providers_in_one_program_are_no_panic() {
    let guard = guard(settings().clock(clock().as_fn()));
    ask(&guard, &good_token()).await.unwrap();
    for (_, provider) in PROVIDERS {
        settings().crypto_provider(*provider).build().unwrap();
    }
}
