//! Tests of the set as a whole.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_500);

fn revocation(scope: RevocationScope, name: &str, seconds: u64) -> Revocation {
    let until = NOW + Duration::from_secs(seconds);
    Revocation::expiring_at(scope, RevocationId::new(None, scope, name), until)
}

fn ids(token: &str) -> TokenIds {
    TokenIds::new(None, token, Some("session")).with_subject("ann").with_issue_time(NOW)
}

fn sweep(set: &CompactSet, now: Timestamp) {
    (0..SWEEP_PARTS).for_each(|part| set.sweep_part(part, now));
}

#[test]
fn g4_every_scope_and_form_is_refused_until_it_is_over_and_never_sooner() {
    let far = Timestamp::from_millis(Timestamp::MAX_SECONDS * 1000);
    let id = |scope, name| RevocationId::new(None, scope, name);
    let rows = [
        revocation(RevocationScope::Token, "t", 10),
        revocation(RevocationScope::Session, "session", 10),
        revocation(RevocationScope::Subject, "ann", 10),
        revocation(RevocationScope::Subject, "ann", 10).issued_up_to(NOW),
        revocation(RevocationScope::Token, "t", 10).issued_up_to(NOW),
        Revocation::expiring_at(RevocationScope::Issuer, RevocationId::issuer(None), NOW + Duration::from_secs(10)),
        Revocation::expiring_at(RevocationScope::Token, id(RevocationScope::Token, "t"), far),
        Revocation::expiring_at(RevocationScope::Token, id(RevocationScope::Token, "t"), Timestamp::from_millis(5)),
    ];
    for row in rows {
        let set = CompactSet::new(10);
        set.insert(&row).unwrap();
        assert_eq!(set.contains(&ids("t")), Some(row.scope()), "{row:?}");
        assert_eq!(set.contains(&TokenIds::new(Some("i"), "t", Some("session")).with_subject("ann")), None);
        sweep(&set, Timestamp::from_millis(row.expiry().as_millis() - 1));
        assert_eq!((set.contains(&ids("t")), set.len()), (Some(row.scope()), 1), "{row:?}");
        // A page gives it back with the same cut-off, and with no shorter life.
        let (given, rest) = set.pages(Cursor::default(), 10).next().unwrap();
        let [given] = *given else { panic!("{given:?}") };
        assert!(rest.is_none() && given.expiry() >= row.expiry());
        assert_eq!((given.scope(), given.id(), given.cut_off()), (row.scope(), row.id(), row.cut_off()));
        sweep(&set, given.expiry());
        assert_eq!((set.contains(&ids("t")), set.len()), (None, 0), "{row:?}");
    }
}

#[test]
fn r50_a_name_that_is_revoked_at_two_scopes_hides_nothing_else() {
    let set = CompactSet::new(10);
    let name = RevocationId::new(None, RevocationScope::Token, "x");
    let at = |scope, seconds| Revocation::expiring_at(scope, name, NOW + Duration::from_secs(seconds));
    set.insert(&at(RevocationScope::Token, 10)).unwrap();
    set.insert(&at(RevocationScope::Session, 20)).unwrap();
    assert_eq!(set.contains(&ids("x")), Some(RevocationScope::Token));
    sweep(&set, NOW + Duration::from_secs(30));
    set.insert(&revocation(RevocationScope::Session, "session", 100)).unwrap();
    assert_eq!((set.contains(&ids("x")), set.len()), (Some(RevocationScope::Session), 1));
}

#[test]
fn r69_at_the_bound_nothing_is_dropped_and_what_is_there_can_still_be_raised() {
    let set = CompactSet::new(2);
    set.insert(&revocation(RevocationScope::Token, "a", 10)).unwrap();
    set.insert(&revocation(RevocationScope::Subject, "ann", 10).issued_up_to(NOW)).unwrap();
    for scope in [RevocationScope::Token, RevocationScope::Session, RevocationScope::Subject, RevocationScope::Issuer] {
        assert_eq!(set.insert(&revocation(scope, "other", 10)), Err(Full));
    }
    set.insert(&revocation(RevocationScope::Token, "a", 20)).unwrap();
    set.insert(&revocation(RevocationScope::Subject, "ann", 20)).unwrap();
    sweep(&set, NOW + Duration::from_secs(15));
    assert_eq!((set.len(), set.contains(&ids("a"))), (2, Some(RevocationScope::Subject)));
    sweep(&set, NOW + Duration::from_secs(25));
    assert_eq!(set.len(), 0);
    set.insert(&revocation(RevocationScope::Token, "other", 10)).unwrap();
}

#[test]
fn r68_nothing_is_missing_for_a_moment_while_others_are_forgotten_and_the_filter_grows() {
    const WRITERS: usize = 4;
    const EACH: usize = 10_000;
    let set = CompactSet::new(2 * WRITERS * EACH);
    let (running, turn) = (AtomicUsize::new(WRITERS), AtomicUsize::new(0));
    let name = |writer: usize, number: usize| format!("{writer}-{number}");
    let is_refused = |writer, number| set.contains(&ids(&name(writer, number))) == Some(RevocationScope::Token);
    let write = |writer| {
        for number in 0..EACH {
            set.insert(&revocation(RevocationScope::Token, &format!("over-{}", name(writer, number)), 10)).unwrap();
            set.insert(&revocation(RevocationScope::Token, &name(writer, number), 100)).unwrap();
            assert!(is_refused(writer, number), "just added: {number}");
            assert!(is_refused(writer, number / 2), "added before: {}", number / 2);
        }
        let all_swept_once = |turn: usize| turn > SWEEP_PARTS;
        for number in (0..EACH).cycle().take_while(|_| !all_swept_once(turn.load(Ordering::Relaxed))) {
            assert!(is_refused(writer, number), "added before: {number}");
        }
    };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (write, running) = (&write, &running);
            scope.spawn(move || {
                // A writer that panics must not leave the sweeping loop waiting.
                let written = catch_unwind(AssertUnwindSafe(|| write(writer)));
                running.fetch_sub(1, Ordering::Relaxed);
                written.unwrap_or_else(|panic| resume_unwind(panic));
            });
        }
        while running.load(Ordering::Relaxed) > 0 {
            set.sweep_part(turn.fetch_add(1, Ordering::Relaxed) % SWEEP_PARTS, NOW + Duration::from_secs(50));
            set.grow_filter();
        }
    });
    sweep(&set, NOW + Duration::from_secs(50));
    assert_eq!(set.len(), WRITERS * EACH);
    assert!((0..WRITERS).all(|writer| (0..EACH).all(|number| is_refused(writer, number))));
}

#[test]
fn pages_hold_everything_once() {
    let set = CompactSet::new(10_000);
    for number in 0..3000 {
        set.insert(&revocation(RevocationScope::Session, &number.to_string(), 10)).unwrap();
        set.insert(&revocation(RevocationScope::Token, "again", number)).unwrap();
    }
    // More than fit into a page.
    for number in 0..600 {
        set.insert(&revocation(RevocationScope::Subject, &number.to_string(), 10).issued_up_to(NOW)).unwrap();
    }
    let (mut place, mut all) = (Cursor::default(), Vec::new());
    for (page, next) in set.pages(Cursor::default(), 100) {
        assert!(next.is_none_or(|next| next.0 > place.0), "{place:?} is followed by {next:?}");
        assert_eq!(set.pages(place, 100).next().unwrap(), (page.clone(), next), "a walk can go on at any page");
        all.extend(page);
        place = next.unwrap_or_default();
    }
    assert_eq!(place, Cursor::default(), "the last page has none after it");
    assert_eq!(all.len(), 3601);
    all.sort_by_key(|revocation| revocation.id());
    all.dedup_by_key(|revocation| revocation.id());
    assert_eq!(all.len(), 3601);
}

#[test]
fn r68_each_sweep_cleans_one_part_and_no_more_often_than_every_interval() {
    let set = CompactSet::new(1000);
    for number in 0..1000 {
        set.insert(&revocation(RevocationScope::Token, &number.to_string(), 10)).unwrap();
    }
    let (start, later) = (Instant::now() + SWEEP_INTERVAL, NOW + Duration::from_secs(50));
    set.sweep(start, later);
    let after_one = set.len();
    assert!((900..1000).contains(&after_one), "{after_one}");
    set.sweep(start + SWEEP_INTERVAL / 2, later);
    assert_eq!(set.len(), after_one);
    (1..SWEEP_PARTS as u32).for_each(|turn| set.sweep(start + SWEEP_INTERVAL * turn, later));
    assert_eq!(set.len(), 0);
}
