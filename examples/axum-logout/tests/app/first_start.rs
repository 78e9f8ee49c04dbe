//! Without any setting.

use std::fs;

use crate::server::Server;

#[tokio::test]
async fn in_an_empty_folder_it_makes_what_it_needs_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // Empty counts as not set.
    let settings = [("JWT_SECRET", ""), ("REDIS_URL", ""), ("DATABASE_URL", " ")];
    let server = Server::start(folder.path(), &settings).await;
    assert!(server.output().contains("the blocklist is in memory"));
    assert!(server.output().contains("not shared between processes"));
    assert!(server.output().contains("users are in the SQLite file axum-logout.db"));
    assert!(folder.path().join("axum-logout.db").exists());

    let env_file = folder.path().join(".env");
    let text = fs::read_to_string(&env_file).unwrap();
    let secret = text.trim_end().strip_prefix("JWT_SECRET=").unwrap();
    assert_eq!(secret.len(), 128);
    assert!(secret.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(!server.output().contains(secret));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&env_file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    assert_eq!(server.client.sign_up("ann@example.com").await.status, 201);
    let tokens = server.client.log_in("ann@example.com").await;
    drop(server);

    let server = Server::start(folder.path(), &settings).await;
    assert_eq!(server.client.get("/me", &tokens.access).await.status, 200, "the secret and the users are kept");
    assert!(!server.output().contains("random"));
    assert_eq!(fs::read_to_string(&env_file).unwrap(), text);
}
