//! Stores of revocations: the traits, their types, and [`MemoryBlocklist`].
//!
//! A layer, a guard and an issuer share one store. Three traits describe it:
//!
//! | trait | for | needed by |
//! |---|---|---|
//! | [`Blocklist`] | checking a token | [`Guard`](crate::Guard), [`JwtBlocklistLayer`](crate::JwtBlocklistLayer) |
//! | [`Revoke`] | revoking | logout |
//! | [`Rotate`] | redeeming refresh tokens | [`Issuer`](crate::Issuer) |
//!
//! This crate has three stores: [`MemoryBlocklist`] for one process,
//! [`RedisBlocklist`](crate::RedisBlocklist) for many, and
//! [`MirrorBlocklist`](crate::MirrorBlocklist), an in-memory replica in front of Redis.
//!
//! # What is stored
//!
//! A store maps a [`RevocationId`] to a [`CutOff`] and an expiry. A token has up to four ids
//! ([`TokenIds::each`]): its issuer's, its subject's, its session's and its own. It is revoked if
//! one of these entries [refuses](CutOff::rejects) it. So a single check covers all breadths of a
//! logout.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use tower_jwt_blocklist::blocklist::{
//!     Blocklist, MemoryBlocklist, Revocation, RevocationId, RevocationScope, Revoke, Status, TokenIds,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (store, now) = (MemoryBlocklist::new(), SystemTime::now());
//! let ann = RevocationId::new(Some("my-app"), RevocationScope::Subject, "ann");
//! let revocation = Revocation::new(RevocationScope::Subject, ann, now + Duration::from_secs(3600));
//! store.revoke(&revocation.issued_up_to(now)).await?;
//!
//! // Ann's token from before is rejected …
//! let token = |issued_at| TokenIds::new(Some("my-app"), "t", None).with_subject("ann").with_issued_at(issued_at);
//! assert_eq!(store.check(&token(now), now).await?, Status::Revoked(RevocationScope::Subject));
//! // … and a later login is admitted.
//! assert_eq!(store.check(&token(now + Duration::from_secs(1)), now).await?, Status::NotRevoked);
//! # Ok(())
//! # }
//! ```
//!
//! # Bring your own store
//!
//! Implement [`Blocklist`] and [`Revoke`], and [`Rotate`] if an [`Issuer`](crate::Issuer) uses the
//! store. The contract:
//!
//! 1. **Never guess.** [`Status::NotRevoked`] means that all ids were read. Otherwise answer with
//!    an [`Outage`]: the request is then rejected with 503, not admitted. Set a deadline yourself,
//!    because the layer sets none.
//! 2. **`Ok` means stored.** Once [`Revoke::revoke`] has returned `Ok`, every check that starts
//!    later sees the revocation, in every process.
//! 3. **Nothing is undone.** A new cut-off is [merged](CutOff::merge) into the stored one, and the
//!    later expiry is kept. Read and write in one atomic step: otherwise two concurrent revocations
//!    can lose one of them.
//! 4. **Nothing is forgotten early.** An entry stays until its [`until`](Revocation::until). A full
//!    store returns [`RevokeError::Full`].
//! 5. **A redemption is one atomic step.** It reads the revocations and the newest generation,
//!    calls [`Redemption::decide`], and stores the result. No revocation may be stored in between,
//!    or a logged-out session would get new tokens.
//!
//! Metrics and log events need no code: [`Revoke::revoke`] counts and logs around your
//! [`Revoke::store`].
//!
//! The feature `conformance` has a test suite for your store. `examples/bring-your-own-store` in
//! the repository passes it: it removes expired entries, and keeps a journal on disk.
//!
//! A complete store. The lock makes every step atomic; expired entries are not removed here, and
//! the process's memory is its only storage.
//!
//! ```
//! use std::{
//!     collections::HashMap,
//!     future::ready,
//!     sync::{Arc, Mutex},
//!     time::SystemTime,
//! };
//! use tower_jwt_blocklist::blocklist::*;
//!
//! #[derive(Clone, Default)]
//! struct MyStore(Arc<Mutex<Tables>>);
//!
//! #[derive(Default)]
//! struct Tables {
//!     revoked: HashMap<RevocationId, (CutOff, SystemTime)>,
//!     sessions: HashMap<RevocationId, Generation>,
//! }
//!
//! impl Tables {
//!     fn scope_that_refuses(&self, ids: &TokenIds) -> Option<RevocationScope> {
//!         let rejects = |id| self.revoked.get(&id).is_some_and(|(cut_off, _)| cut_off.rejects(ids));
//!         ids.each().find(|(_, id)| rejects(*id)).map(|(scope, _)| scope)
//!     }
//!
//!     fn store(&mut self, revocation: &Revocation) {
//!         let new = (revocation.cut_off(), revocation.until());
//!         let entry = self.revoked.entry(revocation.id()).or_insert(new);
//!         *entry = (entry.0.merge(new.0), entry.1.max(new.1));
//!     }
//! }
//!
//! impl Blocklist for MyStore {
//!     fn check(&self, ids: &TokenIds, _now: SystemTime) -> Lookup {
//!         let scope = self.0.lock().unwrap().scope_that_refuses(ids);
//!         Lookup::known(Ok(scope.map_or(Status::NotRevoked, Status::Revoked)))
//!     }
//! }
//!
//! impl Revoke for MyStore {
//!     fn store<'a>(&'a self, revocation: &'a Revocation) -> RevokeFuture<'a> {
//!         self.0.lock().unwrap().store(revocation);
//!         Box::pin(ready(Ok(())))
//!     }
//!
//!     fn cut_off(&self, issuer: RevocationId, subject: Option<RevocationId>) -> CutOffFuture<'_> {
//!         let tables = self.0.lock().unwrap();
//!         let ids = [Some(issuer), subject].into_iter().flatten();
//!         let latest = ids.filter_map(|id| Some(tables.revoked.get(&id)?.0.latest())).max();
//!         Box::pin(ready(Ok(latest)))
//!     }
//! }
//!
//! impl Rotate for MyStore {
//!     fn rotate<'a>(&'a self, redemption: &'a Redemption) -> RotateFuture<'a> {
//!         let mut tables = self.0.lock().unwrap();
//!         let newest = tables.sessions.get(&redemption.session).copied();
//!         let rotation = redemption.decide(tables.scope_that_refuses(&redemption.ids), newest);
//!         match rotation {
//!             Rotation::Rotated => drop(tables.sessions.insert(redemption.session, redemption.next_generation())),
//!             Rotation::Replayed => tables.store(&redemption.theft()),
//!             Rotation::Repeated(_) | Rotation::Revoked(_) => {}
//!         }
//!         Box::pin(ready(Ok(rotation)))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use tower_jwt_blocklist::{
//! #     Algorithm, Guard, Issuer, NoClaims, SigningKey, TokenKind, Verifier,
//! #     reject::RejectionKind,
//! # };
//! # let key = SigningKey::from_secret(Algorithm::HS256, "3f9a7c02b1d84e65a0c7f1e2d3b49586")?;
//! # let verifier = Arc::new(Verifier::builder().key(key.verifying_key()?).issuer("my-app").audience("my-app").build()?);
//! let store = MyStore::default();
//! let issuer = Issuer::builder(verifier.clone(), key, store.clone()).build()?;
//! let guard = Guard::new(TokenKind::Access, verifier.clone(), store.clone());
//! # let access = issuer.login("user-1", &NoClaims {}).await?.access;
//! # let user = guard.authenticate::<NoClaims>(access.as_str()).await?;
//! # issuer.logout_everywhere("user-1").await?;
//! # let rejection = guard.authenticate::<NoClaims>(access.as_str()).await.unwrap_err();
//! # assert_eq!(rejection.kind(), RejectionKind::Revoked);
//! # let refresh = issuer.login("user-1", &NoClaims {}).await?.refresh;
//! # let proofs = Guard::new(TokenKind::Refresh, verifier, store);
//! # let proof = proofs.authenticate::<NoClaims>(refresh.as_str()).await?;
//! # assert!(issuer.refresh(&proof, &NoClaims {}).await?.into_pair().is_ok());
//! # issuer.logout(&proof).await?;
//! # assert!(issuer.refresh(&proof, &NoClaims {}).await?.into_pair().is_err());
//! # Ok(())
//! # }
//! ```

mod cut_off;
mod error;
mod id;
mod lookup;
mod memory;
mod raw_jti;
mod redemption;
mod revocation;
mod traits;

pub use cut_off::CutOff;
pub use error::{Outage, RevokeError};
pub use id::{RevocationId, RevocationScope, TokenIds};
pub use lookup::{Lookup, Status};
pub use memory::MemoryBlocklist;
#[cfg(feature = "redis")]
pub(crate) use raw_jti::RawJti;
pub use redemption::{Generation, Redemption, Rotation};
pub use revocation::Revocation;
pub use traits::{Blocklist, CutOffFuture, Revoke, RevokeFuture, Rotate, RotateFuture};
