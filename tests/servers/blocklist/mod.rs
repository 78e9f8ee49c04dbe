//! The conformance suite over Redis and over its mirrors, with each version of Redis.
#![cfg(feature = "conformance")]

mod mirror;
mod redis;

/// Runs each case with each version of Redis.
macro_rules! over_each_version {
    ($backend:ty, $($case:ident,)*) => {
        $(#[tokio::test] async fn $case() {
            for version in testkit::redis_versions() {
                println!("with {version}");
                tower_jwt_blocklist::conformance::$case(<$backend>::start(&version).await).await;
            }
        })*
    };
}

macro_rules! with_redis {
    ($($case:ident,)*) => { over_each_version! { super::redis::Redis, $($case,)* } };
}

macro_rules! with_mirrors {
    ($($case:ident,)*) => { over_each_version! { super::mirror::Mirror, $($case,)* } };
}

mod over_redis {
    tower_jwt_blocklist::conformance::cases!(with_redis);
}

mod over_a_mirror {
    tower_jwt_blocklist::conformance::cases!(with_mirrors);
}
