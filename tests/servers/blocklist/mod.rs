//! The suite of `tests/conformance` over Redis and over mirrors of it, with each version of Redis.

/// Runs each case over each of these backends.
macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod over_redis {
            $(#[tokio::test] async fn $case() {
                for version in testkit::redis_versions() {
                    println!("over {version}");
                    super::$case(crate::blocklist::redis::Redis::start(&version).await).await;
                }
            })*
        }
        mod over_a_mirror {
            $(#[tokio::test] async fn $case() {
                for version in testkit::redis_versions() {
                    println!("over {version}");
                    super::$case(crate::blocklist::mirror::Mirror::start(&version).await).await;
                }
            })*
        }
    };
}

#[path = "../../conformance/mod.rs"]
mod conformance;
mod mirror;
mod redis;
