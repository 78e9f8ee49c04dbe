//! The claims of the application.

use serde::{Deserialize, Serialize};

/// No claims of the application: the default wherever there is a type of application claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
pub struct NoClaims {}
