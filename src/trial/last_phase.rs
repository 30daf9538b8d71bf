//! The phase of the protocol that a trial reached.

use wsgiaudit_probes_core::interpreter_names::{FOURTH, SECOND, THIRD};
use wsgiaudit_probes_core::protocol::{ProtocolPhase, TrialEvent};

use crate::model::TrialPhase;

/// The phase of the protocol in which the trial ended.
pub(super) fn last_phase(events: &[TrialEvent]) -> TrialPhase {
    match events.iter().rev().find_map(TrialEvent::phase) {
        Some((SECOND, ProtocolPhase::Start | ProtocolPhase::Import)) | Some((_, ProtocolPhase::Compare)) => {
            TrialPhase::SecondInterpreter
        }
        Some((THIRD | FOURTH, ProtocolPhase::Start | ProtocolPhase::Import))
        | Some((_, ProtocolPhase::Touch)) => TrialPhase::UseAfterEnd,
        None | Some((_, ProtocolPhase::Start)) => TrialPhase::Startup,
        Some((_, ProtocolPhase::Import)) => TrialPhase::Import,
        Some((_, ProtocolPhase::Call)) => TrialPhase::Call,
        Some((_, ProtocolPhase::End)) => TrialPhase::Teardown,
        Some((_, ProtocolPhase::Exit)) => TrialPhase::Exit,
        Some((_, ProtocolPhase::Storm)) => TrialPhase::Storm,
    }
}
