//! The table of users.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{AnyPool, FromRow};
use uuid::Uuid;

/// A user as shown to themselves: without the password hash.
#[derive(Debug, FromRow, Serialize)]
pub(crate) struct User {
    pub(crate) uid: String,
    pub(crate) email: String,
    pub(crate) username: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    /// RFC 3339, in UTC.
    pub(crate) created_at: String,
}

/// The data of a sign-up. The e-mail address is already in lower case.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) email: String,
    pub(crate) username: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
}

/// The data that a login needs.
#[derive(FromRow)]
pub(crate) struct Credentials {
    pub(crate) uid: String,
    pub(crate) password_hash: String,
}

#[derive(Debug)]
pub(crate) enum InsertError {
    EmailTaken,
    Database(sqlx::Error),
}

#[derive(Clone, Debug)]
pub(crate) struct Users(AnyPool);

impl Users {
    pub(crate) fn new(pool: AnyPool) -> Self {
        Self(pool)
    }

    /// The constraint in the table decides who was first. A query before the insert would leave a
    /// gap.
    pub(crate) async fn insert(&self, profile: Profile, password_hash: &str) -> Result<User, InsertError> {
        let user = User {
            uid: Uuid::new_v4().to_string(),
            email: profile.email,
            username: profile.username,
            first_name: profile.first_name,
            last_name: profile.last_name,
            created_at: format!("{:.3}", Timestamp::now()),
        };
        sqlx::query(
            "INSERT INTO users (uid, email, username, first_name, last_name, password_hash, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&user.uid)
        .bind(&user.email)
        .bind(&user.username)
        .bind(&user.first_name)
        .bind(&user.last_name)
        .bind(password_hash)
        .bind(&user.created_at)
        .execute(&self.0)
        .await
        .map_err(|error| match error.as_database_error() {
            Some(database) if database.is_unique_violation() => InsertError::EmailTaken,
            _ => InsertError::Database(error),
        })?;
        Ok(user)
    }

    pub(crate) async fn credentials(&self, email: &str) -> Result<Option<Credentials>, sqlx::Error> {
        sqlx::query_as("SELECT uid, password_hash FROM users WHERE email = $1")
            .bind(email)
            .fetch_optional(&self.0)
            .await
    }

    pub(crate) async fn find(&self, uid: &str) -> Result<Option<User>, sqlx::Error> {
        sqlx::query_as("SELECT uid, email, username, first_name, last_name, created_at FROM users WHERE uid = $1")
            .bind(uid)
            .fetch_optional(&self.0)
            .await
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").execute(&self.0).await.map(drop)
    }
}
