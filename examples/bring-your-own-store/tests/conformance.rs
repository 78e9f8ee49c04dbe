//! The library's conformance suite over the store, and the store's own promise: a restart loses
//! nothing.

use std::{
    fs::OpenOptions,
    io::Write,
    time::{Duration, SystemTime},
};

use bring_your_own_store::FileBlocklist;
use tempfile::TempDir;
use tower_jwt_blocklist::{
    blocklist::{
        Blocklist, Generation, Redemption, Revocation, RevocationId, RevocationScope, Revoke, Rotate, Rotation, Status,
        TokenIds,
    },
    conformance::Backend,
};

struct Fixture {
    folder: TempDir,
    blocklist: FileBlocklist,
}

impl Fixture {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blocklist = FileBlocklist::open(folder.path().join("journal")).unwrap();
        Self { folder, blocklist }
    }

    /// The blocklist of a process that starts now.
    fn restarted(&self) -> FileBlocklist {
        FileBlocklist::open(self.folder.path().join("journal")).unwrap()
    }
}

impl Backend for Fixture {
    fn node(&self) -> impl Blocklist + Rotate + Clone {
        self.blocklist.clone()
    }

    /// The store is for one process.
    fn other_node(&self) -> impl Blocklist + Rotate + Clone {
        self.blocklist.clone()
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    async fn let_pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn stored(&self) -> usize {
        self.blocklist.len()
    }
}

mod suite {
    tower_jwt_blocklist::conformance::suite!(super::Fixture::start());
}

const HOUR: Duration = Duration::from_secs(3600);

fn of_subject(name: &str) -> Revocation {
    let id = RevocationId::new(Some("i"), RevocationScope::Subject, name);
    Revocation::new(RevocationScope::Subject, id, SystemTime::now() + HOUR)
}

#[tokio::test]
async fn a_restart_forgets_no_revocation() {
    let fixture = Fixture::start();
    let spared = TokenIds::new(Some("i"), "t", Some("spared")).with_subject("ann").with_issued_at(SystemTime::now());
    let other = TokenIds::new(Some("i"), "t", Some("other")).with_subject("ann").with_issued_at(SystemTime::now());
    let revocation = of_subject("ann").issued_up_to(SystemTime::now() + HOUR).except_session(spared.session().unwrap());
    fixture.blocklist.revoke(&revocation).await.unwrap();
    let (mut restarted, now) = (fixture.restarted(), SystemTime::now());
    for _ in 0..2 {
        assert_eq!(restarted.check(&spared, now).await, Ok(Status::NotRevoked));
        assert_eq!(restarted.check(&other, now).await, Ok(Status::Revoked(RevocationScope::Subject)));
        restarted = fixture.restarted();
    }
}

#[tokio::test]
async fn a_restart_forgets_no_redemption() {
    let fixture = Fixture::start();
    let ids = TokenIds::new(Some("i"), "t", Some("s"));
    let (now, until) = (SystemTime::now(), SystemTime::now() + HOUR);
    let using = |successor| Redemption {
        ids,
        session: ids.session().unwrap(),
        presented: 0,
        token_id: None,
        successor,
        now,
        grace: HOUR,
        kept_until: until,
        revoked_until: until,
    };
    assert_eq!(fixture.blocklist.rotate(&using(7)).await, Ok(Rotation::Rotated));
    let Ok(Rotation::Repeated(Generation { number, token_id, .. })) = fixture.restarted().rotate(&using(8)).await
    else {
        panic!("the redemption is lost");
    };
    assert_eq!((number, token_id), (1, 7));
}

#[tokio::test]
async fn a_line_that_was_cut_off_spoils_no_other() {
    let fixture = Fixture::start();
    fixture.blocklist.revoke(&of_subject("ann")).await.unwrap();
    let mut file = OpenOptions::new().append(true).open(fixture.folder.path().join("journal")).unwrap();
    file.write_all(b"\nentry 0123456789abcdef0123456789abcdef 1 0 - 9").unwrap();
    // The first process does not notice, and continues to write.
    fixture.blocklist.revoke(&of_subject("bob")).await.unwrap();
    assert_eq!(fixture.restarted().len(), 2);
}
