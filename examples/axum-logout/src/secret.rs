//! The secret that the server generates if none is configured.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use tower_jwt_blocklist::{Algorithm, SigningKey};

use crate::sources::EnvFile;

/// Enough for HS512, so that a later change of the algorithm needs no new secret.
const BYTES: usize = 64;

/// Generates a random secret and appends it to the file. Never prints it.
///
/// # Errors
///
/// If the file can't be written or read back, or the system has no random numbers.
pub fn create(path: &Path, algorithm: Algorithm) -> io::Result<SigningKey> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();

    let mut file = open(path)?;
    let gap = if ends_a_line(&mut file)? { "" } else { "\n" };
    // One write in append mode, so that two servers that start at once don't mix their lines.
    file.write_all(format!("{gap}JWT_SECRET={secret}\n").as_bytes())?;
    file.sync_all()?;

    // Read back: if another server was faster, its secret comes first, and both use it.
    let stored = EnvFile::read(path).map_err(io::Error::other)?;
    let stored = stored.get("JWT_SECRET").unwrap_or(&secret);
    SigningKey::from_secret(algorithm, stored.as_bytes()).map_err(io::Error::other)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    // Only for a new file: the owner of an existing one chooses who may read it.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_file_is_kept_and_the_secret_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, "BIND=127.0.0.1:0\nJWT_SECRET=").unwrap();

        create(&path, Algorithm::HS512).unwrap();

        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("BIND=127.0.0.1:0\nJWT_SECRET=\nJWT_SECRET="));
        let file = EnvFile::read(&path).unwrap();
        assert_eq!(file.get("JWT_SECRET").unwrap().len(), 2 * BYTES);
        assert_eq!(file.get("BIND"), Some("127.0.0.1:0"));
    }

    #[test]
    fn two_servers_that_start_at_once_end_with_one_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        create(&path, Algorithm::HS256).unwrap();
        let first = EnvFile::read(&path).unwrap().get("JWT_SECRET").unwrap().to_owned();
        create(&path, Algorithm::HS256).unwrap();
        assert_eq!(EnvFile::read(&path).unwrap().get("JWT_SECRET"), Some(first.as_str()));
    }
}
