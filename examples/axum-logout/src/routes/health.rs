//! Whether the server can do its work, for a load balancer.

use std::time::{Duration, SystemTime};

use axum::{
    Json,
    extract::State,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, RETRY_AFTER},
    },
};
use serde::Serialize;
use tokio::{join, time::timeout};
use tower_jwt_blocklist::{blocklist::TokenIds, redis::MirrorState};

use crate::state::AppState;

/// A slower database counts as unavailable.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
    database: &'static str,
    blocklist: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<Mirror>,
}

/// The in-memory mirror of the blocklist.
#[derive(Serialize)]
struct Mirror {
    state: &'static str,
    /// Milliseconds since it was last proven complete; null before the first time.
    age_ms: Option<u128>,
    entries: usize,
}

impl From<MirrorState> for Mirror {
    fn from(state: MirrorState) -> Self {
        let age_ms = state.age().map(|age| age.as_millis());
        Self { state: state.phase().as_str(), age_ms, entries: state.entries() }
    }
}

pub(super) async fn healthz(
    State(state): State<AppState>,
) -> (StatusCode, [(HeaderName, HeaderValue); 1], Json<Health>) {
    // Checks the blocklist as a request does, with an id that no token has.
    let ids = TokenIds::new(None, "healthz", None);
    let (database, blocklist) =
        join!(timeout(PATIENCE, state.users.ping()), timeout(PATIENCE, state.blocklist.check(&ids, SystemTime::now())));
    let (database, blocklist) = (matches!(database, Ok(Ok(()))), matches!(blocklist, Ok(Ok(_))));

    let word = |good| if good { "ok" } else { "unavailable" };
    let mirror = state.mirror.as_ref().map(|mirror| mirror.state().into());
    let status = word(database && blocklist);
    let health = Health { status, database: word(database), blocklist: word(blocklist), mirror };
    if database && blocklist {
        (StatusCode::OK, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(health))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, HeaderValue::from_static("1"))], Json(health))
    }
}
