//! A login service that publishes its public keys, and rotates them without a restart.
//!
//! Run `cargo run --example jwks -- 1.pem`, then `curl
//! http://127.0.0.1:3000/.well-known/jwks.json`. The line `2.pem` on its standard input makes that
//! key sign; an empty line removes the old one. Make keys with `openssl genpkey -algorithm EC
//! -pkeyopt ec_paramgen_curve:P-256`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response,
    routing::{get, post},
};
use tower_jwt_blocklist::{
    Algorithm, Authenticated, ConfigError, Issuer, JwtBlocklistLayer, MemoryBlocklist, NoClaims, SigningKey, Verifier,
    VerifyingKey, keys::KeySet,
};

const JWKS_HEADERS: [(HeaderName, &str); 2] =
    [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "max-age=300")];

/// One key signs. All keys in the set are published and accepted.
#[derive(Clone)]
struct Login {
    issuer: Issuer,
    keys: KeySet,
    current: Arc<Mutex<VerifyingKey>>,
}

impl Login {
    fn new(key: SigningKey) -> Result<(Self, Arc<Verifier>, MemoryBlocklist), ConfigError> {
        let current = key.verifying_key()?;
        let keys = KeySet::new([current.clone()])?;
        let verifier = Arc::new(Verifier::builder().keys(keys.clone()).issuer("login").audience("api").build()?);
        let blocklist = MemoryBlocklist::new();
        let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build()?;
        Ok((Self { issuer, keys, current: Arc::new(Mutex::new(current)) }, verifier, blocklist))
    }

    /// Keeps the old key for the tokens it has signed. If other services fetch the document,
    /// publish the new key before it signs, for as long as they may cache the old document.
    fn rotate(&self, key: SigningKey) -> Result<(), ConfigError> {
        let (mut current, next) = (self.current.lock().unwrap_or_else(PoisonError::into_inner), key.verifying_key()?);
        self.keys.replace([next.clone(), current.clone()])?;
        self.issuer.sign_with(key)?;
        *current = next;
        Ok(())
    }

    /// Call when the last token of the old key has expired: a refresh token's lifetime after
    /// `rotate`. If the key was stolen, call it at once.
    fn drop_old(&self) -> Result<(), ConfigError> {
        self.keys.replace([self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()])
    }
}

fn app(login: Login, verifier: Arc<Verifier>, blocklist: MemoryBlocklist) -> Router {
    let me = get(async |user: Authenticated| user.subject().unwrap_or_default().to_owned());
    Router::new()
        .route("/me", me.route_layer(JwtBlocklistLayer::access(verifier, blocklist)))
        .route("/login", post(log_in))
        .route("/.well-known/jwks.json", get(async |State(login): State<Login>| (JWKS_HEADERS, login.keys.to_jwks())))
        .with_state(login)
}

async fn log_in(State(login): State<Login>) -> response::Result<String> {
    let pair = login.issuer.login("user-1", &NoClaims {}).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(pair.access.into_string())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = |file: &str| -> Result<SigningKey, Box<dyn std::error::Error>> {
        Ok(SigningKey::from_pem(Algorithm::ES256, std::fs::read(file)?)?.with_id(file))
    };
    let (login, verifier, blocklist) = Login::new(key(&std::env::args().nth(1).ok_or("name a key file")?)?)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    tokio::spawn(axum::serve(listener, app(login.clone(), verifier, blocklist)).into_future());
    for line in std::io::stdin().lines() {
        match line?.trim() {
            "" => login.drop_old()?,
            file => login.rotate(key(file)?)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use testkit::tokens::KeyPair;
    use tower::ServiceExt;

    use super::*;

    fn key(pair: KeyPair, id: &str) -> SigningKey {
        SigningKey::from_pem(pair.alg().parse().unwrap(), pair.private_pem()).unwrap().with_id(id)
    }

    #[tokio::test]
    async fn r72_the_new_key_signs_and_the_old_one_goes_on_until_it_is_removed() {
        let (login, verifier, blocklist) = Login::new(key(KeyPair::es256(), "old")).unwrap();
        let app = app(login.clone(), verifier, blocklist);
        let ask = async |method: &str, path: &str, token: &str| {
            let request =
                Request::builder().method(method).uri(path).header("Authorization", ["Bearer", token].join(" "));
            let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let (status, body) = (response.status().as_u16(), response.into_body().collect().await.unwrap().to_bytes());
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        let first = ask("POST", "/login", "").await.1;
        login.rotate(key(KeyPair::eddsa(), "new")).unwrap();
        let second = ask("POST", "/login", "").await.1;
        let both = ask("GET", "/.well-known/jwks.json", "").await.1;
        assert!(["old", "new"].iter().all(|id| both.contains(id)) && !both.contains(r#""d""#), "{both}");
        assert_eq!((ask("GET", "/me", &first).await.0, ask("GET", "/me", &second).await.0), (200, 200));
        login.drop_old().unwrap();
        assert_eq!((ask("GET", "/me", &first).await.0, ask("GET", "/me", &second).await.0), (401, 200));
    }
}
