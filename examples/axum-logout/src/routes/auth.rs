//! Sign up, log in, refresh, log out.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::{get, post},
};
use serde::Serialize;
use tower_jwt_blocklist::Authenticated;

use crate::{
    error::ApiError,
    extract::Valid,
    input::{Login, Signup},
    state::{AppClaims, AppState, UserClaims},
    users::{InsertError, User},
};

pub(super) fn routes(state: &AppState) -> Router<AppState> {
    let open = Router::new().route("/signup", post(signup)).route("/login", post(login));
    let with_access_token = Router::new()
        .route("/logout", get(logout).post(logout))
        .route("/logout_others", post(logout_others))
        .route("/logout_everywhere", post(logout_everywhere))
        .route("/me", get(me))
        .route_layer(state.access_layer());
    let with_refresh_token = Router::new()
        .route("/refresh_token", get(refresh_token).post(refresh_token))
        .route_layer(state.refresh_layer());
    open.merge(with_access_token).merge(with_refresh_token)
}

async fn signup(
    State(state): State<AppState>,
    Valid(signup): Valid<Signup>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    let hash = state.passwords.hash(signup.password).await?;
    match state.users.insert(signup.profile, &hash).await {
        Ok(user) => Ok((StatusCode::CREATED, Json(user))),
        Err(InsertError::EmailTaken) => Err(ApiError::EmailTaken),
        Err(InsertError::Database(error)) => Err(error.into()),
    }
}

#[derive(Serialize)]
struct LoggedIn {
    message: &'static str,
    access_token: String,
    refresh_token: String,
    user: UserClaims,
}

async fn login(State(state): State<AppState>, Valid(login): Valid<Login>) -> Result<Json<LoggedIn>, ApiError> {
    let user = state.users.credentials(&login.email).await?;
    // Also without a user: the time of the answer must not tell which addresses have an account.
    let hash = user.as_ref().map(|user| &*user.password_hash);
    let right = state.passwords.verify(login.password, hash).await?;
    let uid = user.filter(|_| right).ok_or(ApiError::WrongCredentials)?.uid;

    let claims = AppClaims { user: UserClaims { email: login.email, uid } };
    let tokens = state.issuer.login(&claims.user.uid, &claims).await?;
    Ok(Json(LoggedIn {
        message: "Login successful",
        access_token: tokens.access.into_string(),
        refresh_token: tokens.refresh.into_string(),
        user: claims.user,
    }))
}

#[derive(Serialize)]
struct Refreshed {
    access_token: String,
    refresh_token: String,
}

async fn refresh_token(
    State(state): State<AppState>,
    token: Authenticated<AppClaims>,
    headers: HeaderMap,
) -> Result<Json<Refreshed>, ApiError> {
    let access = state.issuer.refresh(&token, token.claims())?;
    // The refresh token stays good until it expires, so the client gets back the one it sent.
    Ok(Json(Refreshed { access_token: access.into_string(), refresh_token: bearer(&headers)?.to_owned() }))
}

#[derive(Serialize)]
struct LoggedOut {
    message: &'static str,
}

/// The whole session ends: this access token, the refresh token, and all that came of it.
async fn logout(State(state): State<AppState>, token: Authenticated<AppClaims>) -> Result<Json<LoggedOut>, ApiError> {
    state.issuer.logout(&token).await?;
    Ok(Json(LoggedOut { message: "Logged out" }))
}

/// Every other session of the user ends; this one goes on.
async fn logout_others(
    State(state): State<AppState>,
    token: Authenticated<AppClaims>,
) -> Result<Json<LoggedOut>, ApiError> {
    state.issuer.logout_others(&token).await?;
    Ok(Json(LoggedOut { message: "Logged out everywhere else" }))
}

/// Every session of the user ends, this one too.
async fn logout_everywhere(
    State(state): State<AppState>,
    token: Authenticated<AppClaims>,
) -> Result<Json<LoggedOut>, ApiError> {
    state.issuer.logout_everywhere(&token.claims().user.uid).await?;
    Ok(Json(LoggedOut { message: "Logged out everywhere" }))
}

/// From the table, not from the token: what the user is called may have changed since the login.
async fn me(State(state): State<AppState>, token: Authenticated<AppClaims>) -> Result<Json<User>, ApiError> {
    let uid = token.subject().ok_or(ApiError::UserGone)?;
    // Not 401: the token is good, and a new one would not bring the user back.
    state.users.find(uid).await?.map(Json).ok_or(ApiError::UserGone)
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let token = header.and_then(|header| header.split_once(' ')).map(|(_scheme, token)| token.trim());
    token.ok_or_else(|| ApiError::internal("authorization header", &"gone, though the layer has seen it"))
}
