//! The layer in front of a gRPC service, here tonic's own health service. With the renderer
//! `GrpcStatus` a rejection reaches the client as a gRPC status.
//!
//! `cargo run --example tonic` starts the server, calls it with a token, logs out, and calls again.

use std::{net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;
use tonic::{Request, Status, codegen::InterceptedService, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower_jwt_blocklist::{
    Algorithm, Guard, Issuer, JwtBlocklistLayer, MemoryBlocklist, NoClaims, SigningKey, TokenKind, Verifier,
    reject::GrpcStatus,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Serves until the process ends. Returns the address.
async fn serve(layer: JwtBlocklistLayer) -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (_, health) = tonic_health::server::health_reporter();
    let server = tonic::transport::Server::builder().layer(layer).add_service(health);
    tokio::spawn(server.serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)));
    Ok(address)
}

async fn call(address: SocketAddr, token: Option<&str>) -> Result<(), Status> {
    let channel =
        Channel::from_shared(format!("http://{address}")).map_err(|error| Status::internal(error.to_string()))?;
    let channel = channel.connect().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let bearer = token.map(|token| format!("Bearer {token}"));
    let with_token = move |mut request: Request<()>| {
        if let Some(bearer) = &bearer {
            let value = bearer.parse().map_err(|_| Status::internal("a token is ASCII"))?;
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    };
    let mut client = HealthClient::new(InterceptedService::new(channel, with_token));
    client.check(HealthCheckRequest::default()).await.map(drop)
}

/// Makes three calls: without a token, with one, and after its logout. Returns their results.
async fn story() -> Result<[Result<(), Status>; 3], Error> {
    let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
    let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
    let blocklist = MemoryBlocklist::new();
    let issuer = Issuer::builder(verifier.clone(), key, blocklist.clone()).build()?;
    let layer = JwtBlocklistLayer::access(verifier.clone(), blocklist.clone()).with_renderer(GrpcStatus);
    let address = serve(layer).await?;

    let token = issuer.login("user-1", &NoClaims {}).await?.access.into_string();
    let without = call(address, None).await;
    let with = call(address, Some(&token)).await;
    // A service would read the user from the request's extensions. There is no request here, so
    // this calls the guard.
    let user = Guard::new(TokenKind::Access, verifier, blocklist).authenticate::<NoClaims>(&token).await?;
    issuer.logout(&user).await?;
    Ok([without, with, call(address, Some(&token)).await])
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let [without, with, after] = story().await?;
    println!("without a token: {without:?}\nwith a token: {with:?}\nafter the logout: {after:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_token_works_until_it_is_logged_out() {
        let [without, with, after] = story().await.unwrap();
        with.unwrap();
        for (refused, message) in [(without, "No access token was sent"), (after, "The token has been revoked")] {
            let status = refused.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::Unauthenticated, message));
        }
    }
}
