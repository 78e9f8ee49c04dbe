//! Starts servers, prints where they are, and waits to be killed: for the test that no server
//! outlives its owner.

use testkit::{PostgresServer, RedisServer};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let redis = RedisServer::start().await;
    let postgres = PostgresServer::start().await;
    println!("{}\n{}", redis.addr(), postgres.addr());
    std::future::pending::<()>().await;
}
