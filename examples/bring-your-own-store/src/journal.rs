//! The file: one line for each change.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tower_jwt_blocklist::blocklist::{CutOff, Generation, RevocationId};

use crate::{Entry, Session};

#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
}

type Contents = (HashMap<RevocationId, Entry>, HashMap<RevocationId, Session>, Journal);

impl Journal {
    /// Reads the file, and replaces it by one without what has expired.
    pub(crate) fn open(path: &Path, now: SystemTime) -> io::Result<Contents> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let (mut entries, mut sessions) = (HashMap::new(), HashMap::new());
        // A later line replaces an earlier one of the same id. A line that is cut off was never
        // confirmed.
        for line in text.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            if let Some((id, entry)) = parse_entry(&fields) {
                entries.insert(id, entry);
            } else if let Some((id, session)) = parse_session(&fields) {
                sessions.insert(id, session);
            }
        }
        entries.retain(|_, entry| entry.until > now);
        sessions.retain(|_, session| session.until > now);

        let new = path.with_extension("new");
        let lines = entries.iter().map(|(id, entry)| entry_line(*id, entry));
        let lines = lines.chain(sessions.iter().map(|(id, session)| session_line(*id, session)));
        fs::write(&new, lines.collect::<String>())?;
        let journal = Self { file: OpenOptions::new().append(true).open(&new)? };
        journal.file.sync_data()?;
        fs::rename(new, path)?;
        Ok((entries, sessions, journal))
    }

    /// Returns when the line is on the disk.
    pub(crate) fn append(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()
    }
}

/// Begins with a line break, in case the line before it was cut off, and ends with a mark that it
/// is whole.
pub(crate) fn entry_line(id: RevocationId, entry: &Entry) -> String {
    let (everyone, others) = (entry.cut_off.everyone_up_to(), entry.cut_off.others_up_to());
    let excepted = entry.cut_off.excepted_session().map_or("-".to_owned(), |session| session.to_string());
    format!("\nentry {id} {} {} {excepted} {} .", millis(everyone), millis(others), millis(entry.until))
}

fn parse_entry(fields: &[&str]) -> Option<(RevocationId, Entry)> {
    let ["entry", id, everyone, others, excepted, until, "."] = fields else { return None };
    let excepted = if *excepted == "-" { None } else { Some(parse_id(excepted)?) };
    let cut_off = CutOff::from_parts(parse_time(everyone)?, parse_time(others)?, excepted);
    Some((parse_id(id)?, Entry { cut_off, until: parse_time(until)? }))
}

pub(crate) fn session_line(id: RevocationId, session: &Session) -> String {
    let Generation { number, token_id, minted_at } = session.newest;
    format!("\nsession {id} {number} {token_id:x} {} {} .", millis(minted_at), millis(session.until))
}

fn parse_session(fields: &[&str]) -> Option<(RevocationId, Session)> {
    let ["session", id, number, token_id, minted_at, until, "."] = fields else { return None };
    let newest = Generation {
        number: number.parse().ok()?,
        token_id: u128::from_str_radix(token_id, 16).ok()?,
        minted_at: parse_time(minted_at)?,
    };
    Some((parse_id(id)?, Session { newest, until: parse_time(until)? }))
}

fn parse_id(digits: &str) -> Option<RevocationId> {
    Some(RevocationId::from_bytes(u128::from_str_radix(digits, 16).ok()?.to_be_bytes()))
}

/// Milliseconds are as fine as the library's own times.
fn millis(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

fn parse_time(millis: &str) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis.parse().ok()?))
}
