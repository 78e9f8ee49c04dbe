//! Reads criterion's measurements.

use std::path::PathBuf;

/// The median that criterion has just written, in nanoseconds.
pub(crate) fn median(id: &str) -> f64 {
    let estimates = std::fs::read(estimates(id)).expect("criterion has written its estimates");
    let estimates: serde_json::Value = serde_json::from_slice(&estimates).expect("estimates are JSON");
    estimates["median"]["point_estimate"].as_f64().expect("a median is a number")
}

pub(crate) fn estimates(id: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    target.join("criterion").join(id.replace(':', "_")).join("new/estimates.json")
}
