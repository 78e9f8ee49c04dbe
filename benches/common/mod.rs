//! Shared code of the benches.
#![allow(dead_code, reason = "each bench uses a part")]

pub(crate) mod criterion;
pub(crate) mod mirror;
pub(crate) mod service;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// The median, so that a moment in which the machine had other work does not count.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value that this fraction of the values does not exceed.
pub(crate) fn quantile(values: impl IntoIterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1).expect("something was measured");
    values[(last as f64 * part).round() as usize]
}

/// The output of a future that is ready at once.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    let Poll::Ready(output) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("this future waits");
    };
    output
}
