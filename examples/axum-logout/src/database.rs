//! One pool for SQLite and PostgreSQL. The URL says which of the two it is.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use sqlx::{
    AnyConnection, AnyPool, ConnectOptions, Connection, Executor,
    any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers},
    migrate::Migrator,
    postgres::PgConnectOptions,
    sqlite::SqliteConnectOptions,
};
use tokio::time::{sleep, timeout};

use crate::settings::Problem;

/// The time to wait for the database at startup.
const PATIENCE: Duration = Duration::from_secs(10);

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The database of users. Never shows the URL, which can hold a password.
#[derive(Clone)]
pub struct DatabaseUrl {
    kind: Kind,
    options: AnyConnectOptions,
}

#[derive(Clone)]
enum Kind {
    Sqlite { file: PathBuf },
    Postgres,
}

impl DatabaseUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, Problem> {
        let url = url.trim();
        let (kind, url) = if url.starts_with("sqlite:") {
            if url.contains(":memory:") || url.contains("mode=memory") {
                return Err(Problem::new(
                    "DATABASE_URL names a SQLite database in memory, of which each connection would have its own: \
                     name a file",
                ));
            }
            let url = create_if_missing(url);
            let options = SqliteConnectOptions::from_str(&url).map_err(unreadable)?;
            if options.get_filename().as_os_str().is_empty() {
                return Err(Problem::new(
                    "DATABASE_URL names no SQLite file, and each connection would have a database of its own: name a file",
                ));
            }
            (Kind::Sqlite { file: options.get_filename().to_path_buf() }, url)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            PgConnectOptions::from_str(url).map_err(unreadable)?;
            (Kind::Postgres, url.to_owned())
        } else {
            return Err(Problem::new(
                "DATABASE_URL names no known kind of database: use sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME",
            ));
        };
        let options = AnyConnectOptions::from_str(&url).map_err(unreadable)?;
        Ok(Self { kind, options })
    }

    /// Connects and runs the migrations.
    pub(crate) async fn connect(&self) -> Result<AnyPool, sqlx::Error> {
        install_default_drivers();
        // Not through the pool: it would retry, and then report only a timeout.
        let first = timeout(PATIENCE, async {
            let mut connection = self.options.connect().await?;
            match &self.kind {
                // sqlx holds its own lock during the migrations.
                Kind::Postgres => MIGRATIONS.run(&mut connection).await?,
                Kind::Sqlite { .. } => {
                    write_ahead(&mut connection).await?;
                    // For SQLite it holds none, so two servers that start at once would both create
                    // the table.
                    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                    MIGRATIONS.run(&mut *transaction).await?;
                    transaction.commit().await?;
                }
            }
            connection.close().await
        });
        first.await.map_err(|elapsed| sqlx::Error::Io(elapsed.into()))??;
        Ok(AnyPoolOptions::new().acquire_timeout(Duration::from_secs(3)).connect_lazy_with(self.options.clone()))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Sqlite { file } => write!(f, "the SQLite file {}", file.display()),
            Kind::Postgres => f.write_str("PostgreSQL"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Drops the error, which may repeat a part of the URL.
fn unreadable(_: sqlx::Error) -> Problem {
    Problem::new(
        "DATABASE_URL can't be read: check its parts; in a user name or a password, @ : / ? # and % \
         are written as %40 and so on",
    )
}

/// SQLite opens only existing files, unless the URL says otherwise.
fn create_if_missing(url: &str) -> String {
    match url.split_once('?') {
        None => format!("{url}?mode=rwc"),
        Some((_, parameters)) if parameters.split('&').any(|parameter| parameter.starts_with("mode=")) => {
            url.to_owned()
        }
        Some(_) => format!("{url}&mode=rwc"),
    }
}

/// Lets several processes share one SQLite file: readers don't wait for a writer, and writers take
/// turns. The file keeps this mode. To change into it SQLite needs the file for itself, and fails
/// immediately if another process has it open.
async fn write_ahead(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    while let Err(error) = connection.execute("PRAGMA journal_mode = WAL").await {
        if !is_busy(&error) {
            return Err(error);
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn is_busy(error: &sqlx::Error) -> bool {
    // SQLITE_BUSY is 5; the bits above say what kind of busy.
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}
