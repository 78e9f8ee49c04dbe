//! The in-memory blocklist: the conformance suite and its own tests.

mod memory;

#[cfg(feature = "conformance")]
mod over_memory {
    tower_jwt_blocklist::conformance::suite!(super::memory::suite::Memory::start());
}
