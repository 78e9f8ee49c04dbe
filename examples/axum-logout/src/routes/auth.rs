//! Sign up, log in, refresh, log out.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::Serialize;
use tower_jwt_blocklist::{Authenticated, LoggingOut};

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
        .route("/logout_others", post(logout_others))
        .route("/logout_everywhere", post(logout_everywhere))
        .route("/me", get(me))
        .route_layer(state.access_layer());
    let with_refresh_token = Router::new()
        .route("/refresh_token", get(refresh_token).post(refresh_token))
        .route_layer(state.refresh_layer());
    let with_any_token = Router::new().route("/logout", get(logout).post(logout)).route_layer(state.logout_layer());
    open.merge(with_access_token).merge(with_refresh_token).merge(with_any_token)
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
    // Also runs for an unknown user: the time of the response must not reveal which addresses have
    // an account.
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

/// Redeems the refresh token. From now on the client uses the one in the response.
async fn refresh_token(
    State(state): State<AppState>,
    token: Authenticated<AppClaims>,
) -> Result<Json<Refreshed>, ApiError> {
    let tokens = state.issuer.refresh(&token, token.claims()).await?.into_pair()?;
    Ok(Json(Refreshed { access_token: tokens.access.into_string(), refresh_token: tokens.refresh.into_string() }))
}

#[derive(Serialize)]
struct LoggedOut {
    message: &'static str,
}

/// Revokes the session with all its tokens. An expired or already logged-out token is accepted too.
async fn logout(State(state): State<AppState>, session: LoggingOut) -> Result<Json<LoggedOut>, ApiError> {
    state.issuer.logout(&session).await?;
    Ok(Json(LoggedOut { message: "Logged out" }))
}

/// Revokes every other session of the user. This one continues.
async fn logout_others(
    State(state): State<AppState>,
    token: Authenticated<AppClaims>,
) -> Result<Json<LoggedOut>, ApiError> {
    state.issuer.logout_others(&token).await?;
    Ok(Json(LoggedOut { message: "Logged out everywhere else" }))
}

/// Revokes every session of the user, including this one.
async fn logout_everywhere(
    State(state): State<AppState>,
    token: Authenticated<AppClaims>,
) -> Result<Json<LoggedOut>, ApiError> {
    state.issuer.logout_everywhere(&token.claims().user.uid).await?;
    Ok(Json(LoggedOut { message: "Logged out everywhere" }))
}

/// Reads the table, not the token: the user's name may have changed since the login.
async fn me(State(state): State<AppState>, token: Authenticated<AppClaims>) -> Result<Json<User>, ApiError> {
    let uid = token.subject().ok_or(ApiError::UserGone)?;
    // Not 401: the token is valid, and a new one would not bring the user back.
    state.users.find(uid).await?.map(Json).ok_or(ApiError::UserGone)
}
