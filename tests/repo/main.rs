//! The tests of the repository itself: its architecture, its public API, its documents, its dependencies.

mod architecture;
mod documents;
mod public_api;
mod source_tree;
mod supply_chain;
