//! The server's side: an async handle on the keeper.
//!
//! One task reads the keeper's socket and wakes whoever waits for that answer; requests are written
//! directly by their callers. Nothing is queued here beyond one entry for each waiting caller. When the
//! socket closes, every caller, present and future, gets [`SandboxError::KeeperGone`].

mod channel;
mod porting;
mod process;
mod sandbox;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{oneshot, watch};

pub use self::process::Process;
pub use self::sandbox::Sandbox;
use crate::config::Weakness;
use crate::error::{KeeperError, SandboxError};
use crate::message::{self, FromKeeper, REPLY_BYTES_MAX, SPEC_BYTES_MAX, SandboxId, ToKeeper};
use crate::spec::SandboxSpec;
use crate::sys;
use crate::wire::{self, Packet};
use sandbox::Parts;

/// The longest that [`Keeper::create`] waits. Usually a millisecond; a first `mkfs` takes some more.
const CREATE_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest that [`Keeper::shutdown`] waits for the keeper to leave.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(25);

/// The freshly forked keeper, before the async runtime exists.
#[derive(Debug)]
pub struct KeeperLink {
    pub(crate) socket: OwnedFd,
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) weaknesses: Vec<Weakness>,
    pub(crate) freezes_cheaply: bool,
    /// How many listening sockets come with each sandbox.
    pub(crate) listeners: usize,
}

impl KeeperLink {
    /// What this host cannot enforce.
    pub fn weaknesses(&self) -> &[Weakness] {
        &self.weaknesses
    }
}

/// Makes sandboxes. Cheap to clone; all clones speak to one keeper.
#[derive(Debug, Clone)]
pub struct Keeper {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    socket: AsyncFd<OwnedFd>,
    pid: i32,
    pidfd: OwnedFd,
    weaknesses: Vec<Weakness>,
    freezes_cheaply: bool,
    listeners: usize,
    next_request: AtomicU32,
    waiting: Mutex<Waiting>,
    /// Becomes true when the keeper's end has closed.
    gone: watch::Sender<bool>,
}

/// Callers and what they wait for.
#[derive(Debug, Default)]
struct Waiting {
    created: HashMap<u32, oneshot::Sender<Result<Parts, SandboxError>>>,
    destroyed: HashMap<SandboxId, oneshot::Sender<()>>,
    ported: HashMap<u32, oneshot::Sender<Result<String, String>>>,
    /// No answer will come any more.
    closed: bool,
}

impl Keeper {
    /// Takes the link into the current tokio runtime.
    ///
    /// # Panics
    /// When called outside a tokio runtime.
    pub fn connect(link: KeeperLink) -> Result<Keeper, KeeperError> {
        let socket = watched(link.socket).map_err(KeeperError::Socket)?;
        let shared = Arc::new(Shared {
            socket,
            pid: link.pid,
            pidfd: link.pidfd,
            weaknesses: link.weaknesses,
            freezes_cheaply: link.freezes_cheaply,
            listeners: link.listeners,
            next_request: AtomicU32::new(0),
            waiting: Mutex::default(),
            gone: watch::Sender::new(false),
        });
        tokio::spawn(read_replies(Arc::clone(&shared)));
        Ok(Keeper { shared })
    }

    /// What this host cannot enforce.
    pub fn weaknesses(&self) -> &[Weakness] {
        &self.shared.weaknesses
    }

    /// Whether [`Sandbox::freeze`] takes microseconds, so that freezing right away costs nothing. On hosts
    /// with only version 1 cgroups it takes a tenth of a millisecond.
    pub fn freezes_cheaply(&self) -> bool {
        self.shared.freezes_cheaply
    }

    /// Makes a sandbox: usually by specialising a prepared one, in about a millisecond.
    ///
    /// # Errors
    /// [`SandboxError::Create`] when the keeper refuses the specification or cannot carry it out.
    pub async fn create(&self, spec: SandboxSpec) -> Result<Sandbox, SandboxError> {
        message::check_bounds(&spec).map_err(|reason| SandboxError::Create { reason })?;
        let request = self.shared.next_request.fetch_add(1, Ordering::Relaxed);
        let message = ToKeeper::Create { request, spec }.encode();
        if message.len() > SPEC_BYTES_MAX {
            let reason =
                format!("the specification is {} bytes long, more than {SPEC_BYTES_MAX}", message.len());
            return Err(SandboxError::Create { reason });
        }
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.shared.waiting();
            if waiting.closed {
                return Err(SandboxError::KeeperGone);
            }
            waiting.created.insert(request, sender);
        }
        // Also when the caller loses interest: a sandbox that then still comes is dropped, and so destroyed.
        let _forget = Forget { shared: &self.shared, request };
        let answer = async {
            send(&self.shared.socket, &message, &[]).await.map_err(|_| SandboxError::KeeperGone)?;
            receiver.await.unwrap_or(Err(SandboxError::KeeperGone))
        };
        let parts = within(CREATE_TIMEOUT, answer).await?;
        Sandbox::assemble(self.clone(), parts)
    }

    /// Waits until the keeper process has ended, however that came about. No sandbox can be made any more, and
    /// every one there was is ending.
    pub async fn gone(&self) {
        let mut gone = self.shared.gone.subscribe();
        // An error would mean that the sender is gone, which this handle keeps.
        let _ = gone.wait_for(|gone| *gone).await;
    }

    /// Destroys every sandbox and waits, at most half a minute, until the keeper has left.
    pub async fn shutdown(&self) {
        // If it cannot be told, it is gone.
        drop(send(&self.shared.socket, &ToKeeper::Shutdown.encode(), &[]).await);
        drop(tokio::time::timeout(SHUTDOWN_TIMEOUT, self.gone()).await);
    }

    /// Asks for the end of one sandbox and waits until nothing of it is left.
    async fn destroy(&self, id: SandboxId) {
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.shared.waiting();
            if waiting.closed {
                return;
            }
            waiting.destroyed.insert(id, sender);
        }
        if send(&self.shared.socket, &ToKeeper::Destroy(id).encode(), &[]).await.is_ok() {
            // An error means that the keeper is gone, and every sandbox with it.
            drop(receiver.await);
        }
    }

    /// Asks for the end of one sandbox without waiting. `false`: the keeper does not read at the moment.
    fn destroy_later(&self, id: SandboxId) -> bool {
        wire::send(self.shared.socket.get_ref(), &ToKeeper::Destroy(id).encode(), &[]).is_ok()
    }

    fn kill(&self, id: SandboxId) -> io::Result<()> {
        wire::send(self.shared.socket.get_ref(), &ToKeeper::Kill(id).encode(), &[])
    }
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, SandboxError>>,
) -> Result<T, SandboxError> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
        Err(SandboxError::Create {
            reason: format!("no answer from the keeper within {} s", limit.as_secs()),
        })
    })
}

/// Removes a caller's entry when it stops waiting.
struct Forget<'a> {
    shared: &'a Shared,
    request: u32,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.shared.waiting().created.remove(&self.request);
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // No code can panic while it holds the lock; if one did, the maps are still whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_reply(&self, packet: Packet) {
        let Ok(message) = FromKeeper::decode(&packet.bytes) else {
            tracing::error!("the keeper sent a message that cannot be read");
            return;
        };
        match message {
            FromKeeper::Created { request, id, handles } => {
                let parts = Parts::from_fds(id, handles, self.listeners, packet.fds);
                let parts = parts.ok_or(SandboxError::Create { reason: "descriptors are missing".into() });
                if let Some(sender) = self.waiting().created.remove(&request) {
                    // Nobody waits any more: dropping the channel ends the sandbox.
                    drop(sender.send(parts));
                }
            }
            FromKeeper::Refused { request, reason } => {
                if let Some(sender) = self.waiting().created.remove(&request) {
                    drop(sender.send(Err(SandboxError::Create { reason })));
                }
            }
            FromKeeper::Destroyed(id) => {
                if let Some(sender) = self.waiting().destroyed.remove(&id) {
                    let _ = sender.send(());
                }
            }
            FromKeeper::Ported { request, report } => self.on_ported(request, Ok(report)),
            FromKeeper::NotPorted { request, reason } => self.on_ported(request, Err(reason)),
            FromKeeper::Ready { .. } | FromKeeper::NotReady { .. } => {
                tracing::error!("the keeper started twice");
            }
        }
    }

    fn on_ported(&self, request: u32, result: Result<String, String>) {
        if let Some(sender) = self.waiting().ported.remove(&request) {
            drop(sender.send(result));
        }
    }

    /// Wakes everybody with the bad news. Dropping a sender is the news.
    fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.created.clear();
        waiting.destroyed.clear();
        waiting.ported.clear();
    }
}

/// Lives as long as the keeper does.
async fn read_replies(shared: Arc<Shared>) {
    while let Ok(Some(packet)) = receive(&shared.socket, REPLY_BYTES_MAX).await {
        shared.on_reply(packet);
    }
    shared.close();
    // The socket closes a moment before the process is gone; only then may a zombie be collected.
    ended(&shared.pidfd).await;
    sys::reap_one(shared.pid);
    shared.gone.send_replace(true);
}

/// Registers a descriptor with the runtime.
fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is open, owned by the result, and never replaced while it is registered.
    unsafe { AsyncFd::register(fd) }.map_err(io::Error::from)
}

/// Waits until the process behind `pidfd` has ended.
async fn ended(pidfd: &OwnedFd) {
    // Without a descriptor to spare there is no way to wait; the socket that closed is news enough.
    if let Ok(pidfd) = pidfd.try_clone().and_then(watched) {
        drop(pidfd.readable().await);
    }
}

/// Receives one message of at most `bytes_max`. `None`: the other end has closed.
async fn receive(socket: &AsyncFd<OwnedFd>, bytes_max: usize) -> io::Result<Option<Packet>> {
    socket.async_io(Interest::READABLE, |socket| wire::receive_up_to(socket, bytes_max)).await
}

/// Sends one message, waiting for room.
async fn send(socket: &AsyncFd<OwnedFd>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    socket.async_io(Interest::WRITABLE, |socket| wire::send(socket, bytes, fds)).await
}
