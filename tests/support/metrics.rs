//! What is counted, as `name{label=value,…}` with its value.

use std::collections::BTreeMap;

use metrics::LocalRecorderGuard;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// Counts what this thread does from here on, until the guard is dropped.
pub fn count() -> (Counted, LocalRecorderGuard<'static>) {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
    (Counted(recorder.snapshotter()), metrics::set_default_local_recorder(recorder))
}

pub struct Counted(Snapshotter);

impl Counted {
    /// What was counted since the last call; of a histogram, how many values; of a gauge, that it was set.
    pub fn take(&self) -> BTreeMap<String, u64> {
        let mut counted = BTreeMap::new();
        for (key, _, _, value) in self.0.snapshot().into_vec() {
            let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            let value = match value {
                DebugValue::Counter(value) => value,
                DebugValue::Histogram(values) => u64::try_from(values.len()).unwrap(),
                DebugValue::Gauge(_) => 1,
            };
            if value > 0 {
                counted.insert(format!("{}{{{}}}", key.key().name(), labels.join(",")), value);
            }
        }
        counted
    }
}
