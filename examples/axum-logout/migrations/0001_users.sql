-- The same words on SQLite and PostgreSQL: text and the two constraints are all this needs.
-- `email` is stored in lower case, so UNIQUE is case-insensitive. `created_at` is RFC 3339, in UTC.
CREATE TABLE users (
    uid TEXT PRIMARY KEY NOT NULL,
    email TEXT UNIQUE NOT NULL,
    username TEXT,
    first_name TEXT,
    last_name TEXT,
    password_hash TEXT NOT NULL,
    created_at TEXT NOT NULL
);
