//! The life of one execution environment as a pure step function: `step(state, event)` gives the next state and
//! the effects that the driver must perform, in order. What is not in the table is refused.
//!
//! Source: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle": init, invoke,
//! restore after failure ("reset"), shutdown; and "suppressed init" for an init that failed or was reset.
//!
//! ```text
//!            Ready                 Assign                 Answer
//! Starting ─────────▶ Idle ◀────▶ Frozen ───▶ Running ─────────▶ Answered ──Ready──▶ Idle
//!     │ Fault            FreezeDue             │ Fault, Deadline      │ Fault, Deadline
//!     ▼                                        ▼                      ▼
//!   Reset ──Assign──▶ Restarting ──Ready──▶ Running                 Reset
//!
//! every state ──Retire──▶ Gone
//! ```

/// Where an environment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The sandbox is made and the runtime initialises; no invocation is bound to it.
    Starting,
    /// The runtime waits for an event and may still run.
    Idle,
    /// The runtime waits for an event and uses no CPU.
    Frozen,
    /// An invocation runs.
    Running,
    /// The invocation is answered; the runtime has not asked for the next one yet.
    Answered,
    /// No runtime process runs; the next invocation starts one within its own timeout.
    Reset,
    /// The runtime initialises again inside an invocation ("suppressed init").
    Restarting,
    /// The sandbox is being, or has been, removed.
    Gone,
}

/// What happens to an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// The runtime asked for the next event.
    Ready,
    /// The pool gave it an invocation.
    Assign,
    /// The runtime posted the response or an error of the function.
    Answer,
    /// The runtime exited, was killed, ran out of memory, or reported an init error.
    Fault,
    /// The time limit of init or invocation passed.
    Deadline,
    /// The idle environment should stop using CPU.
    FreezeDue,
    /// The pool has no more use for it, or the server stops.
    Retire,
    /// The sandbox does not work any more, and nothing was delivered to it.
    Broken,
}

/// What the driver has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Start the runtime process.
    StartRuntime,
    /// Hand the invocation to the runtime.
    Deliver,
    /// Answer the caller with the fault that just happened.
    AnswerFault,
    /// Look for another environment for the invocation.
    Requeue,
    /// Close the lease: write what is left of it, and the `END` and `REPORT` lines.
    CloseLease,
    /// Offer the environment to the pool.
    Offer,
    /// Stop all CPU use.
    Freeze,
    /// Allow CPU use again.
    Thaw,
    /// Kill every process of the function; `/tmp` stays.
    KillProcesses,
    /// Remove the sandbox.
    Destroy,
}

/// An event that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an environment that is {state:?} cannot take {event:?}")]
pub struct Refused {
    /// The state.
    pub state: State,
    /// The event.
    pub event: Event,
}

/// The next state, and the effects in the order in which they must be performed.
///
/// # Errors
/// [`Refused`] for every pair that is not in the table; the state is then unchanged.
pub fn step(state: State, event: Event) -> Result<(State, &'static [Effect]), Refused> {
    use Effect::{
        AnswerFault, CloseLease, Deliver, Destroy, Freeze, KillProcesses, Offer, Requeue, StartRuntime, Thaw,
    };
    Ok(match (state, event) {
        (State::Starting, Event::Ready) => (State::Idle, &[Offer]),
        (State::Starting, Event::Fault | Event::Deadline) => (State::Reset, &[KillProcesses, Offer]),
        (State::Starting | State::Reset | State::Idle | State::Frozen, Event::Retire) => {
            (State::Gone, &[Destroy])
        }

        // A runtime whose connection broke asks again.
        (State::Idle, Event::Ready) => (State::Idle, &[]),
        (State::Idle, Event::Assign) => (State::Running, &[Deliver]),
        (State::Idle, Event::FreezeDue) => (State::Frozen, &[Freeze]),
        (State::Idle, Event::Fault) => (State::Reset, &[KillProcesses]),
        (State::Frozen, Event::Assign) => (State::Running, &[Thaw, Deliver]),
        (State::Frozen, Event::Fault) => (State::Reset, &[Thaw, KillProcesses]),

        (State::Reset, Event::Assign) => (State::Restarting, &[StartRuntime]),
        (State::Restarting, Event::Ready) => (State::Running, &[Deliver]),
        (State::Restarting | State::Running, Event::Fault | Event::Deadline) => {
            (State::Reset, &[KillProcesses, AnswerFault, CloseLease, Offer])
        }
        (State::Starting | State::Reset, Event::Broken) => (State::Gone, &[Destroy]),
        (State::Restarting, Event::Broken) => (State::Gone, &[Requeue, Destroy]),
        (State::Restarting | State::Running, Event::Retire) => {
            (State::Gone, &[AnswerFault, CloseLease, Destroy])
        }

        (State::Running, Event::Answer) => (State::Answered, &[]),
        (State::Answered, Event::Ready) => (State::Idle, &[CloseLease, Offer]),
        (State::Answered, Event::Fault | Event::Deadline) => {
            (State::Reset, &[KillProcesses, CloseLease, Offer])
        }
        (State::Answered, Event::Retire) => (State::Gone, &[CloseLease, Destroy]),

        (state, event) => return Err(Refused { state, event }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATES: [State; 8] = [
        State::Starting,
        State::Idle,
        State::Frozen,
        State::Running,
        State::Answered,
        State::Reset,
        State::Restarting,
        State::Gone,
    ];
    const EVENTS: [Event; 8] = [
        Event::Ready,
        Event::Assign,
        Event::Answer,
        Event::Fault,
        Event::Deadline,
        Event::FreezeDue,
        Event::Retire,
        Event::Broken,
    ];

    /// The whole table, one row a state, one column an event; `-` is refused.
    #[test]
    fn the_transition_table() {
        let mut table = String::new();
        for state in STATES {
            let row: Vec<String> = EVENTS
                .iter()
                .map(|event| step(state, *event).map_or("-".to_owned(), |(next, _)| format!("{next:?}")))
                .collect();
            table.push_str(&format!("{state:?}: {}\n", row.join(" ")));
        }
        // Events in the order Ready Assign Answer Fault Deadline FreezeDue Retire Broken.
        let expect = "\
Starting: Idle - - Reset Reset - Gone Gone
Idle: Idle Running - Reset - Frozen Gone -
Frozen: - Running - Reset - - Gone -
Running: - - Answered Reset Reset - Gone -
Answered: Idle - - Reset Reset - Gone -
Reset: - Restarting - - - - Gone Gone
Restarting: Running - - Reset Reset - Gone Gone
Gone: - - - - - - - -
";
        assert_eq!(table, expect);
    }

    proptest! {
        /// Over any sequence of events: each assigned invocation is answered exactly once and its lease closed
        /// exactly once (or it is requeued before either) before the next is taken, a frozen environment is never given work without a thaw,
        /// and the sandbox is destroyed exactly once.
        #[test]
        fn invocations_are_answered_once(events in prop::collection::vec(0..EVENTS.len(), 0..200)) {
            let (mut state, mut open, mut answered, mut frozen, mut destroyed) =
                (State::Starting, false, false, false, 0);
            for event in events.into_iter().map(|index| EVENTS[index]) {
                let Ok((next, effects)) = step(state, event) else { continue };
                if event == Event::Assign {
                    prop_assert!(!open, "an invocation while another is open");
                    (open, answered) = (true, false);
                }
                if event == Event::Answer {
                    prop_assert!(open && !answered);
                    answered = true;
                }
                for effect in effects {
                    match effect {
                        Effect::AnswerFault => { prop_assert!(open && !answered); answered = true; }
                        Effect::Requeue => { prop_assert!(open && !answered); open = false; }
                        Effect::CloseLease => { prop_assert!(open && answered); open = false; }
                        Effect::Deliver => prop_assert!(open && !frozen),
                        Effect::Freeze => frozen = true,
                        Effect::Thaw => { prop_assert!(frozen); frozen = false; }
                        Effect::Offer => prop_assert!(!open),
                        Effect::Destroy => destroyed += 1,
                        Effect::StartRuntime | Effect::KillProcesses => {}
                    }
                }
                state = next;
                prop_assert_eq!(state == State::Frozen, frozen && state != State::Gone);
            }
            prop_assert_eq!(destroyed, usize::from(state == State::Gone));
            if state == State::Gone { prop_assert!(!open); }
        }
    }
}
