//! The memory list under the suite of `tests/conformance`, and its own tests.

/// Runs each case over the memory list.
macro_rules! suite {
    ($($case:ident),* $(,)?) => {
        mod over_memory {
            $(#[tokio::test] async fn $case() { super::$case(crate::blocklist::memory::Memory::start().await).await; })*
        }
    };
}

#[path = "../../conformance/mod.rs"]
mod conformance;
mod memory;
