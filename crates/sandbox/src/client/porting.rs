//! The server's side of unpacking and removing trees: one message each way for each tree.
//!
//! A caller that loses interest in an unpacking ends it; what was made of the tree is then removed by the keeper.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::{Keeper, Shared, send};
use crate::error::SandboxError;
use crate::message::{ORDER_BYTES_MAX, SPEC_BYTES_MAX, ToKeeper};
use crate::wire;

impl Keeper {
    /// Unpacks `stream` into `target` with [`PorterConfig::unpack`](crate::PorterConfig::unpack), which is given
    /// `order` (at most 4 KiB), and returns what that reports. Four trees are worked on at once, others wait.
    ///
    /// The directory is beneath one of [`PorterConfig::directories`](crate::PorterConfig::directories), and either
    /// missing in an existing parent, or empty. Its files belong to users of the image, so the server can read and
    /// rename the directory, but neither change nor remove it: that is [`remove_tree`](Self::remove_tree)'s. After
    /// an error nothing of it is left. If this future is dropped, the same happens a moment later, unless the tree was
    /// whole by then; and the death of the keeper may leave a part.
    ///
    /// # Errors
    /// [`SandboxError::Unpack`] with what the porter said.
    pub async fn unpack(&self, stream: OwnedFd, target: &Path, order: &str) -> Result<String, SandboxError> {
        let failed = |reason| SandboxError::Unpack { target: target.to_owned(), reason };
        if order.len() > ORDER_BYTES_MAX {
            return Err(failed(format!(
                "the order is {} bytes long, more than {ORDER_BYTES_MAX}",
                order.len()
            )));
        }
        let (path, order) = (target.to_owned(), order.to_owned());
        let message = |request| ToKeeper::Unpack { request, target: path, order };
        self.port(message, &[stream.as_fd()]).await?.map_err(failed)
    }

    /// Removes a tree that was [unpacked](Self::unpack), its top included. One that is missing counts as removed.
    ///
    /// # Errors
    /// [`SandboxError::Remove`], also when the directory was not unpacked by a porter.
    pub async fn remove_tree(&self, target: &Path) -> Result<(), SandboxError> {
        let path = target.to_owned();
        let result = self.port(|request| ToKeeper::RemoveTree { request, target: path }, &[]).await?;
        result.map(drop).map_err(|reason| SandboxError::Remove { target: target.to_owned(), reason })
    }

    async fn port(
        &self,
        message: impl FnOnce(u32) -> ToKeeper,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Result<String, String>, SandboxError> {
        let request = self.shared.next_request.fetch_add(1, Ordering::Relaxed);
        let message = message(request).encode();
        if message.len() > SPEC_BYTES_MAX {
            return Ok(Err(format!("the request is longer than {SPEC_BYTES_MAX} bytes")));
        }
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.shared.waiting();
            if waiting.closed {
                return Err(SandboxError::KeeperGone);
            }
            waiting.ported.insert(request, sender);
        }
        let _give_up = GiveUp { shared: &self.shared, request };
        send(&self.shared.socket, &message, fds).await.map_err(|_| SandboxError::KeeperGone)?;
        receiver.await.map_err(|_| SandboxError::KeeperGone)
    }
}

/// Ends a request whose caller stops waiting before there is an answer.
struct GiveUp<'a> {
    shared: &'a Shared,
    request: u32,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        if self.shared.waiting().ported.remove(&self.request).is_some() {
            // If the keeper is too busy to hear it, the porter ends with its stream or its time.
            let message = ToKeeper::GiveUp { request: self.request }.encode();
            drop(wire::send(self.shared.socket.get_ref(), &message, &[]));
        }
    }
}
