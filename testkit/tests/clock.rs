//! The clock moves only when a test moves it, and for all its clones.

use std::time::{Duration, UNIX_EPOCH};

use testkit::ManualClock;

#[test]
fn stands_still_until_moved() {
    let clock = ManualClock::at_unix_seconds(1_000);
    let as_fn = clock.clone().as_fn();
    assert_eq!(as_fn(), UNIX_EPOCH + Duration::from_secs(1_000));

    clock.advance(Duration::from_millis(1_500));
    assert_eq!(as_fn(), UNIX_EPOCH + Duration::from_millis(1_001_500));

    clock.set(UNIX_EPOCH + Duration::from_secs(7));
    assert_eq!(as_fn(), UNIX_EPOCH + Duration::from_secs(7));
    assert_eq!(clock.now(), as_fn());
}
