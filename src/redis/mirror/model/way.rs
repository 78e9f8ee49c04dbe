//! The behavior of the processes: right in all points, or wrong in one.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Right,
    /// Every reply is a proof, also one from a Redis without an epoch.
    NoEpochIsAProof,
    /// A proof is dated by the reply, not by the query.
    DatedByReply,
    /// The epoch is opened before the bulk is written.
    OpenedFirst,
    /// The epoch is opened without waiting for any acknowledgement.
    OpenedWithoutWaiting,
    /// The epoch is opened without waiting for members that have no mirror.
    OpenedWithoutTheWriter,
    /// Only the entries that were read from the log are restored.
    OwnNotRestored,
    /// A confirmation counts although the process has answered a closed epoch since it sent the
    /// revocation.
    LateConfirmationsCount,
    /// The helpers share one sign in place of acknowledgements by member. The first to finish
    /// removes it.
    SharedSign,
    /// Each helper has a sign that expires after a tick, whether its page has arrived or not.
    SignExpires,
    /// The acknowledgements of a closed epoch are still good after a takeover.
    AcknowledgementsSurvive,
    /// A helper writes only what has a higher id than the position, although its log has another
    /// entry there.
    LineageNotChecked,
    /// A position is an id without a digest.
    PositionWithoutDigest,
    /// A mirror that does not hold the position of a closed epoch continues to trust itself.
    LossyMirrorTrusted,
    /// A process that has lost the compare-and-set to close the epoch behaves as if it had won it:
    /// a mirror writes its bulk and opens the epoch.
    LoserRestores,
    /// The same for a process without a mirror: it opens the epoch at once.
    LoserOpens,
    /// Opening does not compare the text of the epoch.
    OpenedBlindly,
    /// A process without a mirror takes its own entries for a log: it writes only those with a
    /// higher id than the position, if the entry at the position is its own.
    OwnEntriesAreALog,
}
