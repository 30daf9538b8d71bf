//! The rules of findings: the group `telemetry` of the auditor's rules.

/// A rule. The auditor has its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingRule {
    /// The threads are busy, and requests wait.
    Saturated,
    /// Requests wait for a GIL.
    GilBound,
    /// Several threads use one processor.
    OneCore,
    /// Threads are busy without using the processor.
    BusyWithoutCpu,
    /// A process is silent.
    ProcessLost,
    /// Datagrams are missing or damaged.
    DatagramsLost,
}

impl FindingRule {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Saturated,
        Self::GilBound,
        Self::OneCore,
        Self::BusyWithoutCpu,
        Self::ProcessLost,
        Self::DatagramsLost,
    ];

    /// Its name, for `wsgiaudit explain`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Saturated => "saturated",
            Self::GilBound => "gil-bound",
            Self::OneCore => "one-core",
            Self::BusyWithoutCpu => "busy-without-cpu",
            Self::ProcessLost => "process-lost",
            Self::DatagramsLost => "datagrams-lost",
        }
    }
}
