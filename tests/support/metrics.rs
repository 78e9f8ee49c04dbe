//! Captured metrics, as `name{label=value,…}` and a value.

use std::collections::BTreeMap;

use metrics::LocalRecorderGuard;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

/// Captures the metrics of this thread until the guard is dropped.
pub fn count() -> (Counted, LocalRecorderGuard<'static>) {
    let recorder: &'static DebuggingRecorder = Box::leak(Box::default());
    (Counted(recorder.snapshotter()), metrics::set_default_local_recorder(recorder))
}

pub struct Counted(Snapshotter);

impl Counted {
    /// Takes the counts since the last call: for a histogram the number of values, for a gauge that
    /// it was set.
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
