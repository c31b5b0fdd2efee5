//! The gate: who takes part in an environment's phases, and when all of them have arrived.
//!
//! External extensions are started first and must register before the runtime is started; internal ones register
//! while the runtime initialises. A phase is over when the runtime and everyone who was told about the phase
//! have asked for the next event. Pure: processes, sockets and time limits are the driver's.
//!
//! Source: AWS Lambda Developer Guide, "Using the Lambda Extensions API to create extensions".

use crate::limits::EXTENSIONS_MAX;

/// Where one extension stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its process was started; it has not registered.
    Launched,
    /// It has registered; it has not asked for its first event.
    Registered,
    /// It waits for the next event.
    Waiting,
    /// It was given an event and works on it.
    Working,
    /// It reported an error or ended; nothing more is expected of it.
    Over,
}

/// An event that extensions may ask to be told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Interest {
    /// Every invocation.
    Invoke,
    /// The end of the environment.
    Shutdown,
}

/// Which extension of an environment: its position in order of appearance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seat(usize);

impl Seat {
    /// Its position in order of appearance, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// One extension as the gate sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// File name of an external extension, or the name under which an internal one registered.
    pub name: String,
    /// Whether it is a process of its own.
    pub external: bool,
    /// Where it stands.
    pub standing: Standing,
    /// What it asked for, in its own order.
    pub interests: Vec<Interest>,
}

/// Why a request of an extension is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// An internal extension of that name has registered.
    RegisteredBefore,
    /// Init is over; nobody may register any more.
    TooLate,
    /// There are as many extensions as there may be.
    TooMany,
    /// The extension's standing does not allow the request.
    Standing(Standing),
}

/// All extensions of an environment, and the runtime.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gate {
    members: Vec<Member>,
    runtime_waiting: bool,
    init_over: bool,
}

impl Gate {
    /// A gate for these external extensions, which are about to be started.
    #[must_use]
    pub fn new(external: &[String]) -> Self {
        let launched = |name: &String| Member {
            name: name.clone(),
            external: true,
            standing: Standing::Launched,
            interests: Vec::new(),
        };
        Self { members: external.iter().map(launched).collect(), runtime_waiting: false, init_over: false }
    }

    /// Whether every external extension has registered, so that the runtime may start.
    #[must_use]
    pub fn all_registered(&self) -> bool {
        self.members.iter().all(|member| member.standing != Standing::Launched)
    }

    /// Whether the runtime and all who take part have asked for the next event.
    #[must_use]
    pub fn all_waiting(&self) -> bool {
        let arrived = |member: &Member| matches!(member.standing, Standing::Waiting | Standing::Over);
        self.runtime_waiting && self.members.iter().all(arrived)
    }

    /// Everyone, in order of appearance.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// One of them.
    #[must_use]
    pub fn member(&self, seat: Seat) -> &Member {
        &self.members[seat.0]
    }

    /// The extension of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Seat> {
        self.members.iter().position(|member| member.name == name).map(Seat)
    }

    /// An extension registers: an external one under its file name, an internal one under any other.
    ///
    /// # Errors
    /// [`Closed`] when it has registered before, init is over, or there are too many.
    pub fn register(&mut self, name: &str, interests: Vec<Interest>) -> Result<Seat, Closed> {
        if let Some(seat) = self.find(name) {
            let member = &mut self.members[seat.0];
            if !member.external {
                return Err(Closed::RegisteredBefore);
            }
            if member.standing != Standing::Launched {
                return Err(Closed::Standing(member.standing));
            }
            (member.standing, member.interests) = (Standing::Registered, interests);
            return Ok(seat);
        }
        if self.init_over || self.runtime_waiting {
            return Err(Closed::TooLate);
        }
        if self.members.len() >= EXTENSIONS_MAX {
            return Err(Closed::TooMany);
        }
        let standing = Standing::Registered;
        self.members.push(Member { name: name.to_owned(), external: false, standing, interests });
        Ok(Seat(self.members.len() - 1))
    }

    /// An extension asks for the next event.
    ///
    /// # Errors
    /// [`Closed::Standing`] unless it is registered, works, or waits already (its connection may have broken).
    pub fn wait(&mut self, seat: Seat) -> Result<(), Closed> {
        let member = &mut self.members[seat.0];
        match member.standing {
            Standing::Registered | Standing::Working | Standing::Waiting => {
                member.standing = Standing::Waiting;
                Ok(())
            }
            other => Err(Closed::Standing(other)),
        }
    }

    /// An extension has failed or ended; says where it stood.
    pub fn leave(&mut self, seat: Seat) -> Standing {
        std::mem::replace(&mut self.members[seat.0].standing, Standing::Over)
    }

    /// The runtime asks for the next event.
    pub fn runtime_waits(&mut self) {
        self.runtime_waiting = true;
    }

    /// An invocation begins: the runtime works, and so does everyone who wants to be told of it.
    pub fn invoke(&mut self) -> Vec<Seat> {
        self.init_over = true;
        self.runtime_waiting = false;
        self.tell(Interest::Invoke, &[Standing::Waiting])
    }

    /// The shutdown phase begins for these, also for who is still busy with something else and hears of it when it
    /// asks next; nothing is expected of the others.
    pub fn shutdown(&mut self) -> Vec<Seat> {
        self.init_over = true;
        self.tell(Interest::Shutdown, &[Standing::Registered, Standing::Waiting, Standing::Working])
    }

    fn tell(&mut self, interest: Interest, who: &[Standing]) -> Vec<Seat> {
        let mut told = Vec::new();
        for (index, member) in self.members.iter_mut().enumerate() {
            if who.contains(&member.standing) && member.interests.contains(&interest) {
                member.standing = Standing::Working;
                told.push(Seat(index));
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Interest::{Invoke, Shutdown};

    fn gate(names: &[&str]) -> Gate {
        Gate::new(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn external_extensions_hold_the_runtime_back_until_they_register() {
        let mut gate = gate(&["a", "b"]);
        assert!(!gate.all_registered());
        gate.register("a", vec![Invoke]).expect("first");
        assert_eq!(gate.register("a", vec![]), Err(Closed::Standing(Standing::Registered)));
        assert!(!gate.all_registered());
        gate.register("b", vec![]).expect("second");
        assert!(gate.all_registered());
    }

    #[test]
    fn a_phase_ends_when_all_have_asked_for_the_next_event() {
        let mut gate = gate(&["a", "quiet"]);
        let a = gate.register("a", vec![Invoke]).expect("a");
        let quiet = gate.register("quiet", vec![]).expect("quiet");
        assert_eq!(gate.member(quiet).standing, Standing::Registered);
        let inner = gate.register("inner", vec![Invoke, Shutdown]).expect("an internal extension");
        assert!(!gate.member(inner).external);
        for seat in [a, quiet, inner] {
            gate.wait(seat).expect("registered");
            assert!(!gate.all_waiting());
        }
        gate.runtime_waits();
        assert!(gate.all_waiting());

        assert_eq!(gate.invoke(), [a, inner], "who did not ask is not told, and not waited for");
        gate.runtime_waits();
        gate.wait(inner).expect("working");
        assert!(!gate.all_waiting());
        assert_eq!(gate.leave(a), Standing::Working);
        assert!(gate.all_waiting(), "nobody waits for one that is over");
        assert_eq!(gate.shutdown(), [inner]);
    }

    #[test]
    fn the_end_is_told_to_the_busy_as_well() {
        let mut gate = gate(&["busy", "early", "quiet", "dead"]);
        let seats = ["busy", "early", "quiet", "dead"].map(|name| {
            let interests = if name == "quiet" { vec![Invoke] } else { vec![Invoke, Shutdown] };
            gate.register(name, interests).expect("launched")
        });
        let [busy, early, _, dead] = seats;
        gate.wait(busy).expect("registered");
        assert_eq!(gate.invoke(), [busy]);
        gate.leave(dead);
        assert_eq!(gate.shutdown(), [busy, early]);
        assert_eq!(gate.member(early).standing, Standing::Working);
    }

    #[test]
    fn registration_closes_with_init() {
        let mut open = gate(&[]);
        open.runtime_waits();
        assert_eq!(open.register("late", vec![]), Err(Closed::TooLate));
        let mut full = gate(&[]);
        for number in 0..EXTENSIONS_MAX {
            full.register(&number.to_string(), vec![]).expect("room");
        }
        assert_eq!(full.register("one more", vec![]), Err(Closed::TooMany));
    }

    #[test]
    fn events_are_only_for_those_who_may_ask() {
        let mut gate = gate(&["a"]);
        let a = gate.find("a").expect("launched");
        assert_eq!(gate.wait(a), Err(Closed::Standing(Standing::Launched)));
        gate.register("a", vec![]).expect("a");
        gate.wait(a).expect("registered");
        gate.wait(a).expect("asks again after a broken connection");
        gate.leave(a);
        assert_eq!(gate.wait(a), Err(Closed::Standing(Standing::Over)));
    }
}
