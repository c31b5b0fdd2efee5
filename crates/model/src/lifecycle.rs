//! The life of one execution environment as a pure step function: `step(state, event)` gives the next state and
//! the effects that the driver must perform, in order. What is not in the table is refused.
//!
//! Source: AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle": init, invoke,
//! shutdown, restore after failure ("reset"), and "suppressed init" for an init that failed or was reset.
//!
//! ```text
//!            Ready               Assign            Done
//! Starting ─────────▶ Idle ◀───▶ Frozen ──▶ Running ────▶ Idle
//!     │ Fault, Deadline   FreezeDue            │ Fault, Deadline
//!     ▼                                        ▼
//! Resetting ──Stopped──▶ Reset ──Assign──▶ Restarting ──Ready──▶ Running
//!
//! every state ──Retire──▶ Closing ──Stopped──▶ Gone;   every state ──Broken──▶ Gone
//! ```
//!
//! How far a phase has got (which extension is registered, who has asked for the next event) is counted by a
//! [`Gate`](crate::gate::Gate); here it is one event.

/// Where an environment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The sandbox is made, extensions and runtime initialise; no invocation is bound to it.
    Starting,
    /// Runtime and extensions wait for an event and may still run.
    Idle,
    /// Runtime and extensions wait for an event and use no CPU.
    Frozen,
    /// An invocation runs, or its extensions still do.
    Running,
    /// The processes are being ended after a failure.
    Resetting,
    /// No process runs; the next invocation starts them within its own timeout.
    Reset,
    /// Extensions and runtime initialise again inside an invocation ("suppressed init").
    Restarting,
    /// The shutdown phase before the end.
    Closing,
    /// The sandbox is being, or has been, removed.
    Gone,
}

/// What happens to an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// Init is over: the runtime and every extension asked for the next event.
    Ready,
    /// The pool gave it an invocation.
    Assign,
    /// Nothing that it was given is open any more.
    Done,
    /// The runtime or an extension exited, was killed, ran out of memory, or reported that it cannot go on.
    Fault,
    /// The time limit of init or invocation passed.
    Deadline,
    /// The idle environment should stop using CPU.
    FreezeDue,
    /// Every process has ended.
    Stopped,
    /// The pool has no more use for it, or the server stops.
    Retire,
    /// The sandbox does not work any more.
    Broken,
}

/// What the driver has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Start the extensions, then the runtime.
    StartProcesses,
    /// Hand the invocation to the runtime and to the extensions that want it.
    Deliver,
    /// Answer every caller who has no answer yet with the fault that just happened.
    AnswerFault,
    /// Look for another environment for what was not delivered yet.
    Requeue,
    /// Close every open lease: write what is left of it, and the `END` and `REPORT` lines.
    CloseLeases,
    /// Offer the environment to the pool.
    Offer,
    /// Stop all CPU use.
    Freeze,
    /// Allow CPU use again.
    Thaw,
    /// Run the shutdown phase, then kill what is left; `/tmp` stays.
    Shutdown,
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
        AnswerFault, CloseLeases, Deliver, Destroy, Freeze, Offer, Requeue, Shutdown, StartProcesses, Thaw,
    };
    Ok(match (state, event) {
        (State::Starting, Event::Ready) => (State::Idle, &[Offer]),
        (State::Starting | State::Idle, Event::Fault) => (State::Resetting, &[Shutdown]),
        (State::Starting, Event::Deadline) => (State::Resetting, &[Shutdown]),

        (State::Idle, Event::Assign) => (State::Running, &[Deliver]),
        (State::Idle, Event::FreezeDue) => (State::Frozen, &[Freeze]),
        (State::Frozen, Event::Assign) => (State::Running, &[Thaw, Deliver]),
        (State::Frozen, Event::Fault) => (State::Resetting, &[Thaw, Shutdown]),

        // Only an environment that takes several invocations at once is given another.
        (State::Running, Event::Assign) => (State::Running, &[Deliver]),
        (State::Running, Event::Done) => (State::Idle, &[CloseLeases, Offer]),
        (State::Restarting | State::Running, Event::Fault | Event::Deadline) => {
            (State::Resetting, &[AnswerFault, CloseLeases, Shutdown])
        }

        (State::Resetting, Event::Stopped) => (State::Reset, &[Offer]),
        (State::Resetting, Event::Retire) => (State::Closing, &[]),
        (State::Reset, Event::Assign) => (State::Restarting, &[StartProcesses]),
        (State::Restarting, Event::Ready) => (State::Running, &[Deliver]),

        (State::Starting | State::Idle | State::Frozen, Event::Retire) => (State::Closing, &[Shutdown]),
        (State::Restarting | State::Running, Event::Retire) => {
            (State::Closing, &[AnswerFault, CloseLeases, Shutdown])
        }
        (State::Reset, Event::Retire) | (State::Closing, Event::Stopped) => (State::Gone, &[Destroy]),

        (
            State::Starting | State::Idle | State::Frozen | State::Resetting | State::Reset | State::Closing,
            Event::Broken,
        ) => (State::Gone, &[Destroy]),
        (State::Restarting, Event::Broken) => (State::Gone, &[Requeue, Destroy]),
        (State::Running, Event::Broken) => (State::Gone, &[AnswerFault, CloseLeases, Destroy]),

        (state, event) => return Err(Refused { state, event }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STATES: [State; 9] = [
        State::Starting,
        State::Idle,
        State::Frozen,
        State::Running,
        State::Resetting,
        State::Reset,
        State::Restarting,
        State::Closing,
        State::Gone,
    ];
    const EVENTS: [Event; 9] = [
        Event::Ready,
        Event::Assign,
        Event::Done,
        Event::Fault,
        Event::Deadline,
        Event::FreezeDue,
        Event::Stopped,
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
        // Events in the order Ready Assign Done Fault Deadline FreezeDue Stopped Retire Broken.
        let expect = "\
Starting: Idle - - Resetting Resetting - - Closing Gone
Idle: - Running - Resetting - Frozen - Closing Gone
Frozen: - Running - Resetting - - - Closing Gone
Running: - Running Idle Resetting Resetting - - Closing Gone
Resetting: - - - - - - Reset Closing Gone
Reset: - Restarting - - - - - Gone Gone
Restarting: Running - - Resetting Resetting - - Closing Gone
Closing: - - - - - - Gone - Gone
Gone: - - - - - - - - -
";
        assert_eq!(table, expect);
    }

    /// What a driver keeps beside the state, reduced to what the effects must be consistent with.
    #[derive(Default)]
    struct Model {
        open: u32,
        answered: bool,
        frozen: bool,
        processes: bool,
        shutting_down: bool,
        destroyed: u32,
        state: Option<State>,
    }

    impl Model {
        fn perform(&mut self, effect: Effect) -> Result<(), TestCaseError> {
            match effect {
                Effect::StartProcesses => {
                    prop_assert!(!self.processes && !self.shutting_down, "processes beside older ones");
                    self.processes = true;
                }
                Effect::Deliver => prop_assert!(self.open > 0 && self.processes && !self.frozen),
                Effect::AnswerFault => self.answered = true,
                Effect::Requeue => self.open = 0,
                Effect::CloseLeases => {
                    prop_assert!(self.open > 0 && self.answered, "a lease closed without an answer");
                    (self.open, self.answered) = (0, false);
                }
                Effect::Offer => prop_assert!(self.open == 0 && !self.shutting_down),
                Effect::Freeze => self.frozen = true,
                Effect::Thaw => {
                    prop_assert!(self.frozen);
                    self.frozen = false;
                }
                Effect::Shutdown => {
                    prop_assert!(self.processes && !self.shutting_down, "two shutdown phases");
                    self.shutting_down = true;
                }
                Effect::Destroy => self.destroyed += 1,
            }
            Ok(())
        }
    }

    proptest! {
        /// Over any sequence of events: every invocation is answered and its lease closed before the environment
        /// is offered again, nothing is delivered to a frozen environment or one without processes, processes are
        /// never started beside older ones, there is one shutdown phase at a time, and the sandbox is destroyed
        /// exactly once.
        #[test]
        fn effects_are_consistent(events in prop::collection::vec(0..EVENTS.len(), 0..300)) {
            let mut model = Model { processes: true, state: Some(State::Starting), ..Model::default() };
            for event in events.into_iter().map(|index| EVENTS[index]) {
                let state = model.state.unwrap_or(State::Gone);
                // What the driver guarantees.
                if event == Event::Stopped && !model.shutting_down {
                    continue;
                }
                let Ok((next, effects)) = step(state, event) else { continue };
                match event {
                    Event::Assign => model.open += 1,
                    Event::Done => model.answered = true,
                    Event::Stopped => (model.processes, model.shutting_down) = (false, false),
                    _ => {}
                }
                for effect in effects {
                    model.perform(*effect)?;
                }
                prop_assert_eq!(next == State::Gone, model.destroyed == 1);
                prop_assert!(next != State::Gone || model.open == 0, "an invocation is lost");
                model.state = Some(next);
            }
        }
    }
}
