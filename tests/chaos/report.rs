//! The report: a row for each kind of fault.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{judge::Verdict, plan::Kind};

#[derive(Debug, Default)]
struct Row {
    runs: usize,
    revocations: usize,
    judged: usize,
    late: usize,
    while_noticing: usize,
    lost_with_holder: usize,
    false_logouts: usize,
    /// Rounds with anything wrong.
    failed: usize,
    closed: Vec<Duration>,
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: BTreeMap<Kind, Row>,
}

impl Report {
    /// `None` is a round that did not come to its end.
    pub(crate) fn add(&mut self, kind: Kind, verdict: Option<&Verdict>) {
        let row = self.rows.entry(kind).or_default();
        row.runs += 1;
        let Some(verdict) = verdict else {
            row.failed += 1;
            return;
        };
        row.revocations += verdict.revocations;
        row.judged += verdict.judged;
        row.late += verdict.late.len();
        row.while_noticing += verdict.while_noticing;
        row.lost_with_holder += verdict.lost_with_holder;
        row.false_logouts += verdict.false_logouts.len();
        row.failed += usize::from(verdict.is_wrong());
        row.closed.push(verdict.closed);
    }

    pub(crate) fn failed(&self) -> usize {
        self.rows.values().map(|row| row.failed).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<19}|{:>5}|{:>7}|{:>12}|{:>10}|{:>7}|{:>20}|{:>15}|{:>14}|{:>21}",
            "fault",
            " runs",
            " failed",
            " revocations",
            " judged",
            " late",
            " late while noticing",
            " died with holder",
            " false logouts",
            " closed: median, max",
        )?;
        for (kind, row) in &self.rows {
            let mut closed = row.closed.clone();
            closed.sort_unstable();
            let median = closed.get(closed.len() / 2).copied().unwrap_or_default();
            let closed =
                format!("{} ms, {} ms", median.as_millis(), closed.last().copied().unwrap_or_default().as_millis());
            writeln!(
                f,
                "{kind:<19}|{:>5}|{:>7}|{:>12}|{:>10}|{:>7}|{:>20}|{:>17}|{:>14}|{closed:>21}",
                row.runs,
                row.failed,
                row.revocations,
                row.judged,
                row.late,
                row.while_noticing,
                row.lost_with_holder,
                row.false_logouts,
            )?;
        }
        Ok(())
    }
}
