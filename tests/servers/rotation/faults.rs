//! Rotation over a real Redis that fails, and from several nodes at the same time.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use testkit::{FaultProxy, RedisServer};
use tokio::task::JoinSet;
use tower_jwt_blocklist::{
    Authenticated, Guard, Issuer, NoClaims, RedisBlocklist, TokenKind, TokenPair, Verifier,
    blocklist::{Blocklist, Outage, TokenIds},
    issuer::{IssueError, Refreshed},
    redis::RedisSettings,
};

use crate::support::{
    rotation::{DAY, GRACE, piece, repeated, rotated},
    signing_key,
    wait::{eventually, soon},
};

/// One process: its connection to Redis, its issuer and its guard.
#[derive(Clone)]
pub(super) struct Node {
    store: RedisBlocklist,
    verifier: Arc<Verifier>,
    issuer: Issuer,
}

impl Node {
    async fn at(settings: RedisSettings, grace: Duration) -> Self {
        let verifier = Arc::new(crate::support::settings().build().unwrap());
        let store = RedisBlocklist::connect(settings).await.unwrap();
        let issuer = Issuer::builder(verifier.clone(), signing_key(), store.clone()).rotation_grace(grace).build();
        Self { issuer: issuer.unwrap(), store, verifier }
    }

    pub(super) async fn of(server: &RedisServer, grace: Duration) -> Self {
        Self::at(RedisSettings::from_url(&server.url()).unwrap(), grace).await
    }

    pub(super) async fn login(&self, subject: &str) -> TokenPair {
        self.issuer.login(subject, &NoClaims {}).await.unwrap()
    }

    pub(super) fn guard(&self, kind: TokenKind) -> Guard {
        Guard::new(kind, self.verifier.clone(), self.store.clone())
    }

    pub(super) async fn proof(&self, pair: &TokenPair) -> Authenticated {
        self.guard(TokenKind::Refresh).authenticate(pair.refresh.as_str()).await.unwrap()
    }

    pub(super) async fn refresh(&self, proof: &Authenticated) -> Result<Refreshed, IssueError> {
        soon(self.issuer.refresh(proof, &NoClaims {})).await
    }

    async fn works(&self) -> bool {
        self.store.check(&TokenIds::new(None, "t", None), SystemTime::now()).await.is_ok()
    }
}

fn through(proxy: &FaultProxy) -> RedisSettings {
    RedisSettings::new("127.0.0.1", proxy.addr().port())
}

/// The stored state of the session: `<number> <minted at> <token id>`, or nothing.
pub(super) async fn state(server: &RedisServer) -> String {
    match &*server.cli(&["KEYS", "{jwt}:r:*"]).await {
        "" => String::new(),
        key => server.cli(&["GET", key]).await,
    }
}

/// Deletes that state, but no revocation.
pub(super) async fn forget(server: &RedisServer) {
    let key = server.cli(&["KEYS", "{jwt}:r:*"]).await;
    assert_eq!(server.cli(&["DEL", &key]).await, "1");
}

#[tokio::test]
async fn a_rotation_is_one_script_and_one_key_a_session_without_any_text_of_a_token() {
    let server = RedisServer::start().await;
    let node = Node::of(&server, Duration::ZERO).await;
    let mut pair = node.login("ann").await;
    let session = node.proof(&pair).await.session_id().unwrap().to_owned();
    for number in 0..5 {
        let scripts = server.calls("evalsha").await;
        pair = rotated(node.refresh(&node.proof(&pair).await).await.unwrap());
        // The first redemption on a new server also loads the script.
        assert_eq!(server.calls("evalsha").await - scripts, if number == 0 { 2 } else { 1 });
    }
    let keys = server.cli(&["KEYS", "{jwt}:?:*"]).await;
    let id = keys.strip_prefix("{jwt}:r:").unwrap();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{keys}");
    let state = state(&server).await;
    assert!(state.starts_with("5 ") && state.len() < 60, "{state}");
    assert!(!state.contains(&session) && !state.contains("ann"), "{state}");
    // It outlives the superseded tokens by little: the last of them lives for 2 days.
    let left: u64 = server.cli(&["PTTL", &keys]).await.parse().unwrap();
    assert!((2 * DAY..2 * DAY + Duration::from_secs(400)).contains(&Duration::from_millis(left)), "{left}");
}

#[tokio::test]
async fn r67_the_documented_permissions_are_enough_to_rotate_and_to_end_a_session() {
    let server = RedisServer::start().await;
    let document =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/redis_in_production.md")).unwrap();
    let rights = document.split("`~{jwt}:* ").nth(1).and_then(|rest| rest.split('`').next());
    let rights = rights.expect("docs/redis_in_production.md names them");
    let mut rule = vec!["ACL", "SETUSER", "blocklist", "on", ">pw", "~{jwt}:*", "-@all"];
    rule.extend(rights.split(' '));
    server.cli(&rule).await;
    let login = RedisSettings::from_url(&server.url()).unwrap().username("blocklist").password("pw");
    let node = Node::at(login, Duration::ZERO).await;
    let proof = node.proof(&node.login("ann").await).await;
    rotated(node.refresh(&proof).await.unwrap());
    assert!(matches!(node.refresh(&proof).await.unwrap(), Refreshed::Replayed));
}

#[tokio::test]
async fn g6_a_stopped_redis_is_an_outage_and_the_token_is_as_good_as_before() {
    let server = RedisServer::start().await;
    let patient = RedisSettings::from_url(&server.url()).unwrap().revoke_deadline(Duration::from_millis(500));
    let node = Node::at(patient, Duration::ZERO).await;
    let proof = node.proof(&node.login("ann").await).await;
    server.pause();
    assert_eq!(node.refresh(&proof).await.unwrap_err(), IssueError::Outage(Outage::TimedOut));
    eventually("the connection is given up", async || {
        node.refresh(&proof).await.unwrap_err() == IssueError::Outage(Outage::NotConnected)
    })
    .await;
    server.resume();
    eventually("the connection works again", async || node.works().await).await;
    let next = rotated(node.refresh(&proof).await.unwrap());
    rotated(node.refresh(&node.proof(&next).await).await.unwrap());
}

/// The server stalls when it has received the whole script. It continues long after the client was
/// told that its token is still valid.
#[tokio::test]
async fn g6_what_a_stalled_redis_does_too_late_it_does_not_do() {
    let server = RedisServer::start().await;
    let hasty = RedisSettings::from_url(&server.url()).unwrap().revoke_deadline(Duration::from_millis(500));
    let node = Node::at(hasty, Duration::ZERO).await;
    // Loads the script.
    let other = node.proof(&node.login("bob").await).await;
    rotated(node.refresh(&other).await.unwrap());
    forget(&server).await;

    let proof = node.proof(&node.login("ann").await).await;
    let scripts = server.calls("evalsha").await;
    server.cli(&["CLIENT", "PAUSE", "3600000", "WRITE"]).await;
    assert_eq!(node.refresh(&proof).await.unwrap_err(), IssueError::Outage(Outage::TimedOut));
    assert_eq!(server.calls("evalsha").await, scripts, "the script is stalled");
    server.cli(&["CLIENT", "UNPAUSE"]).await;
    eventually("it has run by now", async || server.calls("evalsha").await == scripts + 1).await;
    assert_eq!(state(&server).await, "", "the script has stored nothing");
    rotated(node.refresh(&proof).await.unwrap());
}

#[tokio::test]
async fn g6_where_the_generation_was_lost_the_tokens_word_is_taken() {
    let server = RedisServer::start().await;
    let node = Node::of(&server, Duration::ZERO).await;
    let old = node.proof(&node.login("ann").await).await;
    let second = rotated(node.refresh(&old).await.unwrap());
    let proof = node.proof(&second).await;
    forget(&server).await;
    rotated(node.refresh(&proof).await.unwrap());
    assert!(state(&server).await.starts_with("2 "));
    assert!(matches!(node.refresh(&old).await.unwrap(), Refreshed::Replayed), "the session's state is stored again");
}

#[tokio::test]
async fn g5_g6_a_dead_redis_is_an_outage_and_one_that_came_back_empty_refuses_the_session() {
    let mut server = RedisServer::start().await;
    let node = Node::of(&server, Duration::ZERO).await;
    let proof = node.proof(&node.login("ann").await).await;
    server.kill();
    for _ in 0..3 {
        assert!(matches!(node.refresh(&proof).await.unwrap_err(), IssueError::Outage(_)));
    }
    server.restart().await;
    eventually("the connection works again", async || node.works().await).await;
    // The proof is from before the loss, so it is unknown whether ann has logged out.
    assert!(matches!(node.refresh(&proof).await.unwrap(), Refreshed::Revoked(_)));
    rotated(node.refresh(&node.proof(&node.login("ann").await).await).await.unwrap());
}

/// The reply is lost, and the node retries. Even without a grace period, that is the same use.
#[tokio::test]
async fn r56_a_rotation_that_is_sent_twice_is_one() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let node = Node::at(through(&proxy).revoke_deadline(Duration::from_secs(60)), Duration::ZERO).await;
    let warm = node.proof(&node.login("bob").await).await;
    rotated(node.refresh(&warm).await.unwrap());
    forget(&server).await;

    let proof = node.proof(&node.login("ann").await).await;
    let scripts = server.calls("evalsha").await;
    server.cli(&["CLIENT", "PAUSE", "3600000", "WRITE"]).await;
    let refresh = tokio::spawn({
        let (node, proof) = (node.clone(), proof.clone());
        async move { node.issuer.refresh(&proof, &NoClaims {}).await }
    });
    eventually("Redis has the script", async || server.cli(&["CLIENT", "LIST"]).await.contains("cmd=evalsha")).await;
    proxy.delay(Duration::from_secs(3600));
    server.cli(&["CLIENT", "UNPAUSE"]).await;
    eventually("the script has run", async || server.calls("evalsha").await == scripts + 1).await;
    let done = state(&server).await;
    assert!(done.starts_with("1 "), "{done}");
    proxy.cut();
    // Answers may pass only after a new connection attempt: by then the client has seen the old
    // connection break.
    proxy.wait_until(|seen| seen.accepted > 1).await;
    proxy.heal();
    let pair = rotated(soon(refresh).await.unwrap().unwrap());
    assert_eq!(server.calls("evalsha").await, scripts + 2, "the redemption was sent again");
    assert_eq!(state(&server).await, done);
    rotated(node.refresh(&node.proof(&pair).await).await.unwrap());
}

#[tokio::test]
async fn g7_a_redis_out_of_memory_redeems_nothing() {
    let server = RedisServer::start().await;
    let node = Node::of(&server, Duration::ZERO).await;
    let first = node.proof(&node.login("ann").await).await;
    let second = rotated(node.refresh(&first).await.unwrap());
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(server.try_cli(&["SET", "x", "y"]).await.unwrap_err().contains("OOM"));
    let proof = node.proof(&second).await;
    for proof in [&proof, &first] {
        assert_eq!(node.refresh(proof).await.unwrap_err(), IssueError::Outage(Outage::Failed));
    }
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    rotated(node.refresh(&proof).await.unwrap());
    assert!(matches!(node.refresh(&first).await.unwrap(), Refreshed::Replayed), "that was not stored before is now");
}

#[tokio::test]
async fn r60_a_key_that_somebody_else_made_is_an_outage_or_a_revocation() {
    let server = RedisServer::start().await;
    let node = Node::of(&server, Duration::ZERO).await;
    let proof = node.proof(&node.login("ann").await).await;
    rotated(node.refresh(&proof).await.unwrap());
    let key = server.cli(&["KEYS", "{jwt}:r:*"]).await;
    for value in ["", "x", "1", "1 2", "-1 2 3", "1 2 x", "1 2 3 4"] {
        server.cli(&["SET", &key, value]).await;
        assert_eq!(node.refresh(&proof).await.unwrap_err(), IssueError::Outage(Outage::Failed), "{value:?}");
        assert_eq!(server.cli(&["GET", &key]).await, value);
    }
    server.cli(&["DEL", &key]).await;
    let session = key.replace(":r:", ":s:");
    for value in ["x", "1 2", "0 0 0", "0 0  "] {
        server.cli(&["SET", &session, value]).await;
        assert!(matches!(node.refresh(&proof).await.unwrap(), Refreshed::Revoked(_)), "{value:?}");
    }
}

/// A client, perhaps a thief with its first token, and a logout, each on a node of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r58_g6_whatever_races_with_a_logout_leaves_no_living_token() {
    const ROUNDS: usize = 60;
    let server = RedisServer::start().await;
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Node::of(&server, GRACE).await);
    }
    let mut met_half_way = 0;
    for round in 0..ROUNDS {
        let subject = format!("user-{round}");
        let first = nodes[0].login(&subject).await;
        let mut tasks = JoinSet::new();
        let clients = 1 + round % 2;
        for node in &nodes[..clients] {
            let (node, first) = (node.clone(), first.refresh.as_str().to_owned());
            tasks.spawn(async move { refresh_until_refused(&node, first).await });
        }
        // The logout comes a little later in each round, so it meets the others at another point.
        for _ in 0..round * 3 {
            nodes[3].works().await;
        }
        let issuer = &nodes[3].issuer;
        match round % 3 {
            0 => issuer.revoke_session(piece(first.access.as_str(), 1)["sid"].as_str().unwrap()).await.unwrap(),
            1 => issuer.logout_everywhere(&subject).await.unwrap(),
            _ => {
                let other = nodes[3].login(&subject).await;
                issuer.logout_others(&nodes[3].proof(&other).await).await.unwrap();
            }
        }
        let mut pairs = vec![first];
        while let Some(more) = soon(tasks.join_next()).await {
            pairs.extend(more.unwrap());
        }
        // Without a thief, only the logout can have stopped the client.
        met_half_way += usize::from(clients == 1 && pairs.len() > 1);
        for (node, pair) in nodes.iter().cycle().zip(&pairs) {
            let access = node.guard(TokenKind::Access).authenticate::<NoClaims>(pair.access.as_str()).await;
            let refresh = node.guard(TokenKind::Refresh).authenticate::<NoClaims>(pair.refresh.as_str()).await;
            assert!(
                access.is_err() && refresh.is_err(),
                "round {round}: a token is still accepted: {access:?} {refresh:?}"
            );
        }
    }
    assert!(met_half_way > ROUNDS / 8, "the logout came first in all but {met_half_way} of {ROUNDS} rounds");
}

/// Refreshes as fast as possible until that fails. Returns all pairs that it got.
async fn refresh_until_refused(node: &Node, mut refresh: String) -> Vec<TokenPair> {
    let mut pairs = Vec::new();
    while let Ok(proof) = node.guard(TokenKind::Refresh).authenticate::<NoClaims>(&refresh).await {
        let Ok(pair) = node.issuer.refresh(&proof, &NoClaims {}).await.unwrap().into_pair() else { break };
        refresh = pair.refresh.as_str().to_owned();
        pairs.push(pair);
    }
    pairs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r56_g6_of_uses_on_several_nodes_one_rotates_and_the_others_get_the_same_token() {
    let server = RedisServer::start().await;
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Node::of(&server, GRACE).await);
    }
    for round in 0..20 {
        let proof = nodes[0].proof(&nodes[0].login("ann").await).await;
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let (node, proof) = (nodes[number % 4].clone(), proof.clone());
            tasks.spawn(async move { node.issuer.refresh(&proof, &NoClaims {}).await.unwrap() });
        }
        let (mut first, mut again) = (Vec::new(), Vec::new());
        for refreshed in tasks.join_all().await {
            match refreshed {
                Refreshed::Rotated(pair) => first.push(pair),
                other => again.push(repeated(other)),
            }
        }
        assert_eq!((first.len(), again.len()), (1, 15), "round {round}");
        assert!(again.iter().all(|pair| pair.refresh.as_str() == first[0].refresh.as_str()), "round {round}");
    }
}
