//! r34: which cryptography is used. That it works is tested in `src/keys/provider.rs`.

use super::{PROVIDERS, ask, guard};
use crate::support::{clock, good_token, settings};

/// With both features, as with one, there is a choice that nobody has to make; jsonwebtoken alone would panic.
#[tokio::test]
async fn r34_two_providers_in_one_program_are_no_panic() {
    let guard = guard(settings().clock(clock().as_fn()));
    ask(&guard, &good_token()).await.unwrap();
    for (_, provider) in PROVIDERS {
        settings().crypto_provider(*provider).build().unwrap();
    }
}
