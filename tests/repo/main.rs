//! The tests of the repository itself: its architecture, its documents, its dependencies.

mod architecture;
mod documents;
mod supply_chain;
