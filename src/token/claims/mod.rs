//! The claims of a token: reading them, and the rules that they must meet.

mod application;
mod header;
mod kind;
mod kind_source;
mod payload;
mod registered;
mod rules;
mod token68;
mod values;

pub use application::NoClaims;
pub(crate) use header::Header;
pub use kind::TokenKind;
pub(crate) use kind::Typ;
pub use kind_source::KindSource;
pub(crate) use payload::Payload;
pub(crate) use registered::{GENERATION, RESERVED_CLAIMS, RegisteredClaims, SESSION_BEGAN};
pub use rules::TokenIdSource;
pub(crate) use rules::{ClaimError, Issuers, Presence, Presented, Rules};
pub(crate) use token68::token68;
