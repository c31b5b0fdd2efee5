//! The small traits through which the engine sees what isolates an environment, so that something else than
//! `sandbox` (a microVM, say) can stand in its place; and the endpoint that answers AWS calls from inside.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Weak;

use model::port::Pending;
use sandbox::{Command, CpuQuota, Keeper, Process, Sandbox, SandboxError, SandboxSpec};
use tokio::net::{TcpSocket, TcpStream};

use crate::telemetry::Dial;

/// Makes cells.
pub trait Host: Send + Sync {
    /// Makes an empty cell; nothing of the function runs in it yet.
    fn create(&self, spec: SandboxSpec) -> Pending<'_, Result<Box<dyn Cell>, SandboxError>>;

    /// Whether freezing costs microseconds, so that it can be done after every invocation.
    fn freezes_cheaply(&self) -> bool;
}

/// What isolates one environment. Dropping a cell removes it and all that runs in it.
pub trait Cell: Send + Sync {
    /// The sockets opened inside: the Runtime API's, then the platform endpoint's. Empty when taken before.
    fn take_listeners(&mut self) -> Vec<TcpListener>;
    /// An unconnected socket that belongs to the cell's network.
    fn tcp_socket(&self) -> Pending<'_, Result<OwnedFd, SandboxError>>;
    /// Starts a process inside.
    fn spawn(&self, command: Command) -> Pending<'_, Result<Process, SandboxError>>;
    /// Stops all CPU use.
    fn freeze(&self) -> io::Result<()>;
    /// Allows CPU use again.
    fn thaw(&self) -> io::Result<()>;
    /// Sets the share of CPU; `None` is unlimited.
    fn set_cpu(&self, quota: Option<CpuQuota>) -> io::Result<()>;
    /// The most memory in use so far.
    fn memory_peak_bytes(&self) -> io::Result<u64>;
    /// How often the memory limit has killed.
    fn oom_kills(&self) -> io::Result<u64>;
    /// Kills every process of the function; files in `/tmp` stay.
    fn reset(&self) -> Pending<'_, Result<(), SandboxError>>;
    /// Kills everything at once.
    fn kill(&self) -> io::Result<()>;
    /// Resolves when the cell has died.
    fn gone(&self) -> Pending<'_, ()>;
}

/// Connects to programs inside a cell, as long as the cell is there.
pub(crate) struct CellDial(pub(crate) Weak<dyn Cell>);

impl Dial for CellDial {
    fn dial(&self, port: u16) -> Pending<'static, io::Result<TcpStream>> {
        let cell = self.0.clone();
        Box::pin(async move {
            let cell = cell.upgrade().ok_or(io::ErrorKind::NotConnected)?;
            let socket = cell.tcp_socket().await.map_err(io::Error::other)?;
            drop(cell);
            let socket = TcpSocket::from_std_stream(std::net::TcpStream::from(socket));
            socket.connect((Ipv4Addr::LOCALHOST, port).into()).await
        })
    }
}

/// Serves AWS API calls that functions make to `AWS_ENDPOINT_URL`.
pub trait PlatformEndpoint: Send + Sync {
    /// Serves one connection to its end.
    fn serve(&self, stream: TcpStream) -> Pending<'static, ()>;
}

impl Host for Keeper {
    fn create(&self, spec: SandboxSpec) -> Pending<'_, Result<Box<dyn Cell>, SandboxError>> {
        Box::pin(async move {
            let sandbox = Keeper::create(self, spec).await?;
            Ok(Box::new(sandbox) as Box<dyn Cell>)
        })
    }

    fn freezes_cheaply(&self) -> bool {
        Keeper::freezes_cheaply(self)
    }
}

impl Cell for Sandbox {
    fn take_listeners(&mut self) -> Vec<TcpListener> {
        Sandbox::take_listeners(self)
    }

    fn tcp_socket(&self) -> Pending<'_, Result<OwnedFd, SandboxError>> {
        Box::pin(Sandbox::tcp_socket(self))
    }

    fn spawn(&self, command: Command) -> Pending<'_, Result<Process, SandboxError>> {
        Box::pin(Sandbox::spawn(self, command))
    }

    fn freeze(&self) -> io::Result<()> {
        Sandbox::freeze(self)
    }

    fn thaw(&self) -> io::Result<()> {
        Sandbox::thaw(self)
    }

    fn set_cpu(&self, quota: Option<CpuQuota>) -> io::Result<()> {
        Sandbox::set_cpu(self, quota)
    }

    fn memory_peak_bytes(&self) -> io::Result<u64> {
        Sandbox::memory_peak_bytes(self)
    }

    fn oom_kills(&self) -> io::Result<u64> {
        Sandbox::oom_kills(self)
    }

    fn reset(&self) -> Pending<'_, Result<(), SandboxError>> {
        Box::pin(Sandbox::reset(self))
    }

    fn kill(&self) -> io::Result<()> {
        Sandbox::kill(self)
    }

    fn gone(&self) -> Pending<'_, ()> {
        Box::pin(Sandbox::gone(self))
    }
}
