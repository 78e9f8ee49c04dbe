//! Where settings come from: flags, then the environment, then `.env` in the current directory.

use std::{collections::BTreeMap, fmt, path::Path};

use clap::Parser;

use crate::settings::Problem;

/// The settings as text. Nothing is validated here:
/// [`Settings::read`](crate::settings::Settings::read) reports all problems at once, whereas clap
/// would stop at the first.
#[derive(Clone, Default, Parser)]
#[command(
    name = "axum-logout",
    version,
    about = "Sign up, log in, log out, and see the token rejected",
    long_about = "Sign up, log in, log out, and see the token rejected.\n\n\
        Each setting is a flag, an environment variable or a line of `.env`. Without any, the server makes a secret of its \
        own (kept in `.env`), a SQLite file, and a blocklist in memory."
)]
pub struct Sources {
    /// Secret that signs the tokens: 32 bytes or more for HS256, 48 for HS384, 64 for HS512
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub jwt_secret: Option<String>,
    /// HS256 (the default), HS384 or HS512
    #[arg(long, env = "JWT_ALGORITHM")]
    pub jwt_algorithm: Option<String>,
    /// redis://USER:PASSWORD@HOST:PORT/DATABASE, of which only the host is needed; without it
    /// logouts are in memory
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// Host of Redis, instead of REDIS_URL
    #[arg(long, env = "REDIS_HOST")]
    pub redis_host: Option<String>,
    /// Port of Redis, with REDIS_HOST [default: 6379]
    #[arg(long, env = "REDIS_PORT")]
    pub redis_port: Option<String>,
    /// sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME [default: sqlite:axum-logout.db]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Address and port to listen at [default: 127.0.0.1:8000]
    #[arg(long, env = "BIND")]
    pub bind: Option<String>,
    /// What to log, such as "info,axum_logout=debug" [default: info]
    #[arg(long, env = "RUST_LOG")]
    pub rust_log: Option<String>,
}

impl Sources {
    /// Fills in settings that neither a flag nor the environment has. Empty (`REDIS_URL=`) counts
    /// as not set.
    #[must_use]
    pub fn or(mut self, file: &EnvFile) -> Self {
        // Redis by URL and Redis by host are one choice: making it here overrides both forms in the
        // file.
        let is_given = |value: &Option<String>| value.as_deref().is_some_and(|text| !is_empty(text));
        let overridden: &[&str] = if is_given(&self.redis_url) {
            &["REDIS_HOST", "REDIS_PORT"]
        } else if is_given(&self.redis_host) {
            &["REDIS_URL"]
        } else {
            &[]
        };
        for (name, value) in self.by_name() {
            if overridden.contains(&name) {
                continue;
            }
            if value.as_deref().is_none_or(is_empty) {
                *value = file.0.get(name).cloned();
            }
        }
        self
    }

    fn by_name(&mut self) -> [(&'static str, &mut Option<String>); 8] {
        [
            ("JWT_SECRET", &mut self.jwt_secret),
            ("JWT_ALGORITHM", &mut self.jwt_algorithm),
            ("REDIS_URL", &mut self.redis_url),
            ("REDIS_HOST", &mut self.redis_host),
            ("REDIS_PORT", &mut self.redis_port),
            ("DATABASE_URL", &mut self.database_url),
            ("BIND", &mut self.bind),
            ("RUST_LOG", &mut self.rust_log),
        ]
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Three of the fields hold secrets.
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// The settings of a `.env` file that have a value.
#[derive(Default)]
pub struct EnvFile(BTreeMap<String, String>);

impl EnvFile {
    /// A missing file counts as empty. Puts nothing into the process's environment.
    ///
    /// # Errors
    ///
    /// If the file exists and can't be read. The error does not repeat its text, which holds
    /// secrets.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let entries = match dotenvy::from_path_iter(path) {
            Ok(entries) => entries,
            Err(error) if error.not_found() => return Ok(Self::default()),
            Err(_) => return Err(Problem::new(format!("{} can't be read: check who may read it", path.display()))),
        };
        let mut settings = BTreeMap::new();
        for (index, entry) in entries.enumerate() {
            let (name, value) = entry.map_err(|_| {
                Problem::new(format!(
                    "{}: the {} entry is not NAME=VALUE: put a value with spaces or # in single quotes",
                    path.display(),
                    ordinal(index + 1),
                ))
            })?;
            // The first one with a value counts, as for other readers of `.env`.
            if !is_empty(&value) {
                settings.entry(name).or_insert(value);
            }
        }
        Ok(Self(settings))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn is_empty(value: &str) -> bool {
    value.trim().is_empty()
}

fn ordinal(n: usize) -> String {
    let ending = match (n % 10, n % 100) {
        (1, teens) if teens != 11 => "st",
        (2, teens) if teens != 12 => "nd",
        (3, teens) if teens != 13 => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}
