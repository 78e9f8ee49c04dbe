//! Passwords: hashed with Argon2id, off the threads that serve requests.

use std::{fmt, sync::Arc, thread::available_parallelism};

use argon2::{
    Argon2,
    password_hash::{self, PasswordHasher, PasswordVerifier},
};
use tokio::{sync::Semaphore, task};

/// A password in clear text, waiting to be hashed. Its `Debug` doesn't show it.
pub(crate) struct Password(String);

impl Password {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    /// Bounds the hashes under way to the number of cores. Each takes 19 MiB and one core, so more
    /// at once would only take memory.
    turns: Arc<Semaphore>,
    /// The hash that an unknown user's password is compared with.
    nobody: Arc<str>,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self, PasswordError> {
        Ok(Self {
            turns: Arc::new(Semaphore::new(available_parallelism().map_or(1, usize::from))),
            nobody: hash(b"the password of nobody")?.into(),
        })
    }

    pub(crate) async fn hash(&self, password: Password) -> Result<String, PasswordError> {
        self.in_turn(move || hash(password.0.as_bytes())).await
    }

    /// Whether the password matches the hash. Without a hash the result is `false`, and takes as
    /// long.
    pub(crate) async fn verify(&self, password: Password, stored: Option<&str>) -> Result<bool, PasswordError> {
        let known = stored.is_some();
        let stored = stored.map_or_else(|| self.nobody.clone(), Arc::from);
        self.in_turn(move || match Argon2::default().verify_password(password.0.as_bytes(), &*stored) {
            Ok(()) => Ok(known),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(PasswordError::Hash(error)),
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| PasswordError::Stopped)?;
        // The permit moves into the work. If the client disconnects, the work continues and keeps
        // its permit.
        let done = task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|_| PasswordError::Stopped)?
    }
}

fn hash(password: &[u8]) -> Result<String, PasswordError> {
    Argon2::default().hash_password(password).map(|hash| hash.to_string()).map_err(PasswordError::Hash)
}

#[derive(Debug)]
pub(crate) enum PasswordError {
    Hash(password_hash::Error),
    /// The server is shutting down, or the hashing panicked.
    Stopped,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(error) => write!(f, "the password hash can't be made or read: {error}"),
            Self::Stopped => f.write_str("the hashing of a password was stopped"),
        }
    }
}

impl std::error::Error for PasswordError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_accepted() {
        let passwords = Passwords::new().unwrap();
        let stored = passwords.hash(password("correct horse")).await.unwrap();

        assert!(stored.starts_with("$argon2id$"));
        assert!(passwords.verify(password("correct horse"), Some(&stored)).await.unwrap());
        assert!(!passwords.verify(password("wrong horse"), Some(&stored)).await.unwrap());
        assert!(!passwords.verify(password("the password of nobody"), None).await.unwrap());
    }

    #[tokio::test]
    async fn an_unreadable_hash_is_an_error_and_not_a_wrong_password() {
        let passwords = Passwords::new().unwrap();
        assert!(passwords.verify(password("correct horse"), Some("no hash")).await.is_err());
    }

    #[test]
    fn debug_does_not_show_the_password() {
        assert_eq!(format!("{:?}", password("correct horse")), "Password(..)");
    }
}
