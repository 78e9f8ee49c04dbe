//! Searches every interleaving of a client, thieves, logouts and a loss of redemptions: the
//! documented guarantees of the rule hold in all of them.
//!
//! A request has three separate steps: the guard admits the token, the store decides, the
//! answer arrives. Between any two of them everything else can happen, or the node crashes. Time
//! passes in steps of a grace.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    time::Duration,
};

use crate::blocklist::{cut_off::CutOff, redemption::*};

const GRACE: Duration = Duration::from_secs(10);
const BEGAN: Timestamp = Timestamp::from_millis(1_000_000);
/// Refresh tokens of one session that are ever redeemed, and requests that are ever begun.
const MOST_GENERATIONS: u32 = 3;
const MOST_REQUESTS: u8 = 4;
const MOST_GRACES: u64 = 2;

/// A refresh token: its generation and its id.
type Token = (u32, u128);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Stage {
    /// The guard has admitted it.
    Checked,
    /// A store that queries first and stores later has queried. The rule never stops here.
    Asked(Answer),
    /// The store has decided, and the answer is on its way.
    Answered(Answer),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Answer {
    Tokens(Token),
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    graces: u64,
    // The store.
    newest: Newest,
    loss: Loss,
    session_revoked: bool,
    cut_off: bool,
    // Outside of it.
    requests: BTreeSet<(u8, Token, Stage)>,
    begun: u8,
    /// The tokens that the client or a thief holds. No store can tell the two apart.
    held: BTreeSet<Token>,
    /// A logout has been confirmed, or a theft detected.
    is_over: bool,
    /// Each token that the store has decided to issue since a loss, and whether the session had
    /// ended by then.
    minted: BTreeSet<(Token, bool)>,
    /// A token was redeemed although the store had issued another one of its generation.
    has_forked: bool,
}

/// What a store keeps: the newest refresh token, and when it was minted.
type Newest = Option<(Token, u64)>;

/// Whether the store loses redemptions. Revocations are never lost here: another protocol detects
/// that.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Loss {
    /// It is still to come, and brings back one of these earlier states.
    ToCome(Vec<Newest>),
    /// It has happened, or never does.
    Past,
}

/// The behavior of the store under test.
#[derive(Clone, Copy)]
struct Store {
    decide: fn(&Redemption, Option<RevocationScope>, Option<Generation>) -> Rotation,
    steps: Steps,
    loses: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Steps {
    One,
    /// Ask, then act.
    Two,
}

impl World {
    fn new(store: Store) -> Self {
        let login = (0, 0);
        Self {
            graces: 0,
            newest: None,
            loss: if store.loses { Loss::ToCome(Vec::new()) } else { Loss::Past },
            session_revoked: false,
            cut_off: false,
            requests: BTreeSet::new(),
            begun: 0,
            held: BTreeSet::from([login]),
            is_over: false,
            minted: BTreeSet::from([(login, false)]),
            has_forked: false,
        }
    }

    fn now(&self) -> Timestamp {
        BEGAN + GRACE * u32::try_from(self.graces).unwrap()
    }

    fn ids() -> TokenIds {
        TokenIds::new(None, "t", Some("s")).with_subject("ann").with_issue_time(BEGAN)
    }

    fn revoked(&self) -> Option<RevocationScope> {
        let entries = [
            (RevocationScope::Subject, self.cut_off.then(|| CutOff::up_to(BEGAN))),
            (RevocationScope::Session, self.session_revoked.then_some(CutOff::ALWAYS)),
        ];
        let rejects = |entry: Option<CutOff>| entry.is_some_and(|entry| entry.rejects(&Self::ids()));
        entries.into_iter().find(|(_, entry)| rejects(*entry)).map(|(scope, _)| scope)
    }

    /// Returns the store's decision, with the successor that this request proposes.
    fn decide(&self, store: Store, request: u8, (number, token_id): Token) -> Rotation {
        let newest = self.newest.map(|((newest, newest_id), graces)| Generation {
            number: newest,
            token_id: newest_id,
            minted_at: (BEGAN + GRACE * u32::try_from(graces).unwrap()).into(),
        });
        let redemption = Redemption {
            ids: Self::ids(),
            session: RevocationId::new(None, RevocationScope::Session, "s"),
            presented: number,
            token_id: Some(token_id),
            successor: u128::from(request) + 1,
            now: self.now().into(),
            grace: GRACE,
            kept_until: self.now().into(),
            revoked_until: self.now().into(),
        };
        (store.decide)(&redemption, self.revoked(), newest)
    }

    /// Stores the decision, and returns the answer.
    fn carry_out(&mut self, rotation: Rotation, request: u8, presented: Token) -> Answer {
        let token = match rotation {
            Rotation::Rotated => {
                let next = (presented.0 + 1, u128::from(request) + 1);
                let is_another = |minted: Token| minted.0 == presented.0 && minted != presented;
                self.has_forked |= self.minted.iter().any(|(token, _)| is_another(*token));
                if let Loss::ToCome(states) = &mut self.loss {
                    states.push(self.newest);
                }
                self.newest = Some((next, self.graces));
                next
            }
            Rotation::Repeated(first) => (first.number, first.token_id),
            Rotation::Replayed => {
                (self.session_revoked, self.is_over) = (true, true);
                return Answer::Refused;
            }
            Rotation::Revoked(_) => return Answer::Refused,
        };
        self.minted.insert((token, self.is_over));
        Answer::Tokens(token)
    }

    /// Every world that is one step away.
    fn next(&self, store: Store) -> Vec<World> {
        let mut worlds = Vec::new();
        let mut step = |change: &dyn Fn(&mut World)| {
            let mut world = self.clone();
            change(&mut world);
            worlds.push(world);
        };
        if self.graces < MOST_GRACES {
            step(&|world| world.graces += 1);
        }
        if !self.is_over {
            for everywhere in [false, true] {
                step(&|world| {
                    world.session_revoked |= !everywhere;
                    world.cut_off |= everywhere;
                    world.is_over = true;
                });
            }
        }
        if let Loss::ToCome(states) = &self.loss {
            for state in states {
                step(&|world| {
                    (world.newest, world.loss) = (*state, Loss::Past);
                    world.minted.clear();
                });
            }
        }
        for token in &self.held {
            if self.begun < MOST_REQUESTS && token.0 < MOST_GENERATIONS && self.revoked().is_none() {
                step(&|world| {
                    world.requests.insert((world.begun, *token, Stage::Checked));
                    world.begun += 1;
                });
            }
        }
        for request in &self.requests {
            let (number, token, stage) = *request;
            // The node crashes, or the client goes away.
            step(&|world| {
                world.requests.remove(request);
            });
            step(&|world| {
                world.requests.remove(request);
                let stage = match stage {
                    Stage::Checked if store.steps == Steps::Two => {
                        // Only the state found now counts for its later write.
                        let mut later = world.clone();
                        Stage::Asked(later.carry_out(world.decide(store, number, token), number, token))
                    }
                    Stage::Checked => {
                        let rotation = world.decide(store, number, token);
                        Stage::Answered(world.carry_out(rotation, number, token))
                    }
                    Stage::Asked(Answer::Tokens(next)) => {
                        world.newest = Some((next, world.graces));
                        world.minted.insert((next, world.is_over));
                        Stage::Answered(Answer::Tokens(next))
                    }
                    Stage::Asked(Answer::Refused) => Stage::Answered(Answer::Refused),
                    Stage::Answered(answer) => {
                        if let Answer::Tokens(token) = answer {
                            world.held.insert(token);
                        }
                        return;
                    }
                };
                world.requests.insert((number, token, stage));
            });
        }
        worlds
    }

    /// The broken guarantee, in words.
    fn broken(&self) -> Option<&'static str> {
        if self.minted.iter().any(|(_, session_was_over)| *session_was_over) {
            return Some("a token was minted after the session had ended");
        }
        if (0..=MOST_GENERATIONS)
            .any(|number| self.minted.iter().filter(|((other, _), _)| *other == number).count() > 1)
        {
            return Some("a token has two successors");
        }
        if self.has_forked {
            return Some("a second token of one generation was redeemed");
        }
        if (self.is_over || self.session_revoked) && self.revoked().is_none() {
            return Some("a token of a revoked session is still accepted");
        }
        None
    }
}

/// Searches all worlds that can be, the nearest first: the first that must not be, or how many
/// there are.
fn search(store: Store) -> Result<usize, Box<(&'static str, World)>> {
    let mut seen = HashSet::from([World::new(store)]);
    let mut queue = VecDeque::from([World::new(store)]);
    while let Some(world) = queue.pop_front() {
        if let Some(what) = world.broken() {
            return Err(Box::new((what, world)));
        }
        for next in world.next(store) {
            if seen.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    Ok(seen.len())
}

fn count_worlds(store: Store) -> usize {
    let worlds = search(store).unwrap_or_else(|broken| panic!("{broken:?}"));
    println!("{worlds} worlds");
    worlds
}

#[test]
fn r58_g6_in_every_interleaving_a_dead_session_stays_dead_and_a_token_has_one_successor() {
    let worlds = count_worlds(Store { decide: Redemption::decide, steps: Steps::One, loses: false });
    assert!(worlds > 10_000, "only {worlds} worlds: the search is broken");
}

#[test]
fn r56_g6_in_every_interleaving_with_a_lost_redemption_one_token_of_a_generation_is_redeemed() {
    let worlds = count_worlds(Store { decide: Redemption::decide, steps: Steps::One, loses: true });
    assert!(worlds > 10_000, "only {worlds} worlds: the search is broken");
}

/// The search finds broken rules. Otherwise the test above would prove nothing.
#[test]
fn what_others_got_wrong_is_found() {
    let grace_after_logout =
        |redemption: &Redemption, revoked: Option<RevocationScope>, newest| match redemption.decide(None, newest) {
            repeated @ Rotation::Repeated(_) => repeated,
            _ => redemption.decide(revoked, newest),
        };
    let forgets_the_logout =
        |redemption: &Redemption, _: Option<RevocationScope>, newest| redemption.decide(None, newest);
    let rotates_in_the_grace = |redemption: &Redemption, revoked, newest| match redemption.decide(revoked, newest) {
        Rotation::Repeated(_) => Rotation::Rotated,
        other => other,
    };
    let never_looks_back = |redemption: &Redemption, revoked, _| redemption.decide(revoked, None);
    let never_compares_the_id = |redemption: &Redemption, revoked, newest| {
        Redemption { token_id: None, ..redemption.clone() }.decide(revoked, newest)
    };
    let over = "a token was minted after the session had ended";
    let two = "a token has two successors";
    let forked = "a second token of one generation was redeemed";
    for (name, decide, steps, loses, expected) in [
        ("a grace that also applies after a logout", grace_after_logout as fn(&_, _, _) -> _, Steps::One, false, over),
        ("a rotation that ignores revocations", forgets_the_logout, Steps::One, false, over),
        ("a grace that rotates", rotates_in_the_grace, Steps::One, false, two),
        ("a token that is not redeemed", never_looks_back, Steps::One, false, two),
        ("a loss, and ids that are not compared", never_compares_the_id, Steps::One, true, forked),
        ("a query first and a write later", Redemption::decide, Steps::Two, false, over),
    ] {
        let (what, _) = *search(Store { decide, steps, loses }).expect_err(name);
        assert_eq!(what, expected, "{name}");
    }
}
