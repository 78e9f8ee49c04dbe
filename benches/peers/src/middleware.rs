//! Each peer's middleware, set up as its documentation does.

use std::{convert::Infallible, hint::black_box, sync::Arc};

use axum::extract::FromRequestParts;
use axum_jwt_auth::{Claims, Decoder, LocalDecoder};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use jwt_authorizer::{IntoLayer, JwtAuthorizer};
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator, http_layer::HttpAuthLayer};
use serde::Deserialize;
use tower::{Layer, Service as _, service_fn};
use tower_jwt_blocklist::{Algorithm, JwtBlocklistLayer, token::TokenCache};
use tower_oauth2_resource_server::{
    server::OAuth2ResourceServer, tenant::TenantConfiguration, validation::ClaimsValidationSpec,
};

use super::{AUDIENCE, ISSUER, Login, Service, now};

type Answer = Response<Full<Bytes>>;

/// The service behind all of them.
async fn inner<A: Default>(request: Request<Full<Bytes>>) -> Result<A, Infallible> {
    black_box(request);
    Ok(A::default())
}

pub(crate) fn none() -> Service {
    boxed(service_fn(inner::<Answer>))
}

/// Those that support the algorithm of this login, by name and cryptography.
pub(crate) fn all(login: &Login) -> Vec<(&'static str, Service)> {
    let ours = || JwtBlocklistLayer::access(login.verifier.clone(), login.blocklist.clone());
    let mut all = vec![
        ("tower-jwt-blocklist (aws-lc-rs)", boxed(ours().layer(service_fn(inner::<Answer>)))),
        (
            "tower-jwt-blocklist, `TokenCache::Off` (aws-lc-rs)",
            boxed(ours().with_token_cache(TokenCache::Off).layer(service_fn(inner::<Answer>))),
        ),
        ("axum-jwt-auth (rust_crypto)", axum_jwt_auth(login)),
        ("jwt-authorizer (ring)", jwt_authorizer(login)),
        ("tower-oauth2-resource-server (aws-lc-rs)", tower_oauth2_resource_server(login)),
    ];
    // It does not support HMAC.
    if login.algorithm != Algorithm::HS256 {
        all.push(("oauth-resource-server (ring)", oauth_resource_server(login)));
    }
    all
}

fn boxed<S, B>(mut service: S) -> Service
where
    S: tower::Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + 'static,
{
    Box::new(move |request| {
        let Ok(response) = now(service.call(request));
        response.status()
    })
}

/// An extractor and not a layer. The cost of axum's router around it is not counted.
fn axum_jwt_auth(login: &Login) -> Service {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "reading it is the work")]
    struct Registered {
        iss: String,
        sub: String,
        aud: String,
        jti: String,
        iat: u64,
        exp: u64,
    }

    use jsonwebtoken_10::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
    let jwks: JwkSet = serde_json::from_str(&login.jwks).expect("a JWK Set");
    let keys = jwks.keys.iter().map(|key| DecodingKey::from_jwk(key).expect("a good key")).collect();
    let mut validation = Validation::new(login.algorithm.to_string().parse::<Algorithm>().expect("known to both"));
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    let decoder: Decoder<Registered> = Arc::new(LocalDecoder::new(keys, validation).expect("good settings"));
    boxed(service_fn(move |request: Request<Full<Bytes>>| {
        let decoder = decoder.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            match Claims::<Registered>::from_request_parts(&mut parts, &decoder).await {
                Ok(claims) => {
                    black_box(claims.claims);
                    inner::<Answer>(Request::from_parts(parts, body)).await
                }
                Err(_) => Ok(unauthorized()),
            }
        }
    }))
}

fn jwt_authorizer(login: &Login) -> Service {
    /// It requires that its errors can become responses.
    #[derive(Default)]
    struct Converted(Answer);

    impl From<jwt_authorizer::AuthError> for Converted {
        fn from(_: jwt_authorizer::AuthError) -> Self {
            Self(unauthorized())
        }
    }

    let validation = jwt_authorizer::Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]);
    let builder: JwtAuthorizer = JwtAuthorizer::from_jwks_text(&login.jwks).validation(validation);
    let layer = now(builder.build()).expect("good settings").into_layer();
    let mut service = layer.layer(service_fn(inner::<Converted>));
    Box::new(move |request| {
        let Ok(Converted(response)) = now(service.call(request));
        response.status()
    })
}

fn tower_oauth2_resource_server(login: &Login) -> Service {
    let algorithm = login.algorithm.to_string().parse().expect("known to both");
    let audiences = vec![AUDIENCE.to_owned()];
    let tenant = TenantConfiguration::static_builder(&login.jwks)
        .claims_validation(ClaimsValidationSpec::new().exp(true).iss(ISSUER).aud(&audiences))
        .allowed_algorithms(&[algorithm])
        .build()
        .expect("good settings");
    let server = now(<OAuth2ResourceServer>::builder().add_tenant(tenant).build()).expect("good settings");
    boxed(server.into_layer().layer(service_fn(inner::<Answer>)))
}

fn oauth_resource_server(login: &Login) -> Service {
    let config = OAuthConfig {
        enabled: true,
        issuer: ISSUER.into(),
        jwks_uri: Some(format!("{ISSUER}/jwks")),
        audience: AUDIENCE.into(),
        resource: AUDIENCE.into(),
        algorithms: vec![login.algorithm.to_string()],
        require_at_jwt: true,
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth")).expect("good settings").expect("it is enabled");
    let validator = OAuthValidator::builder(&config).initial_jwks(&login.jwks).build().expect("a good key");
    let layer = HttpAuthLayer::builder().oauth(Arc::new(validator)).build().expect("good settings");
    boxed(layer.layer(service_fn(inner::<Answer>)))
}

fn unauthorized() -> Answer {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}
