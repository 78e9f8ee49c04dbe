//! The tests of the repository itself: its architecture, public API, documents and dependencies.

mod architecture;
mod documents;
mod public_api;
mod source_tree;
mod supply_chain;
