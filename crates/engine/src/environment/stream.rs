//! A streamed response on its way from the runtime to the caller: a short queue of chunks, and apart from it the
//! news of how the stream ended, so that neither a slow reader nor a dead runtime can hold the other up.

use bytes::Bytes;
use model::port::{Pending, ResponseStream, StreamEnd, StreamPart};
use tokio::sync::{mpsc, oneshot};

/// Chunks that wait for a slow reader; the runtime's connection buffers a little more, then the function waits.
const CHUNKS_MAX: usize = 4;

/// Where the runtime's bytes go.
pub(crate) struct Sink {
    chunks: mpsc::Sender<Bytes>,
    /// Resolves when the lease was closed over our head.
    cut: oneshot::Receiver<()>,
}

/// What the caller reads.
pub(crate) struct Body {
    chunks: mpsc::Receiver<Bytes>,
    end: Option<oneshot::Receiver<StreamEnd>>,
}

/// What becomes of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is on its way, or nobody reads any more, which does not stop a function.
    Taken,
    /// The invocation is over.
    Cut,
}

/// Both ends, how to tell the end of the stream, and what, once dropped, stops the sink.
pub(crate) fn pair() -> (Sink, Body, oneshot::Sender<StreamEnd>, oneshot::Sender<()>) {
    let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
    let (end_sender, end) = oneshot::channel();
    let (cut_sender, cut) = oneshot::channel();
    (Sink { chunks: sender, cut }, Body { chunks, end: Some(end) }, end_sender, cut_sender)
}

impl Sink {
    /// Hands a chunk on, waiting for a slow reader.
    pub(crate) async fn put(&mut self, chunk: Bytes) -> Put {
        tokio::select! {
            biased;
            _ = &mut self.cut => Put::Cut,
            // An error means that nobody reads any more.
            _ = self.chunks.send(chunk) => Put::Taken,
        }
    }

    /// Resolves when the invocation is over, whatever the runtime still sends.
    pub(crate) async fn cut(&mut self) {
        let _ = (&mut self.cut).await;
    }
}

impl ResponseStream for Body {
    fn next(&mut self) -> Pending<'_, Option<StreamPart>> {
        Box::pin(async move {
            if let Some(chunk) = self.chunks.recv().await {
                return Some(StreamPart::Chunk(chunk));
            }
            let end = self.end.take()?.await;
            // No word about the end: the environment is gone, which is told like any stream that breaks off.
            Some(StreamPart::End(end.unwrap_or_else(|_| StreamEnd { error: Some(lost()), tail: None })))
        })
    }
}

fn lost() -> model::port::StreamError {
    model::port::StreamError {
        code: "Sandbox.Failure".to_owned(),
        details: "The execution environment was lost.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn collect(mut body: Body) -> (Vec<Bytes>, StreamEnd) {
        let mut chunks = Vec::new();
        loop {
            match body.next().await {
                Some(StreamPart::Chunk(chunk)) => chunks.push(chunk),
                Some(StreamPart::End(end)) => return (chunks, end),
                None => panic!("ended without saying how"),
            }
        }
    }

    #[tokio::test]
    async fn chunks_come_in_order_and_then_the_end() {
        let (mut sink, body, end, _cut) = pair();
        let reader = tokio::spawn(collect(body));
        for text in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(sink.put(Bytes::from(text)).await, Put::Taken);
        }
        drop(sink);
        let tail = Some(b"log".to_vec());
        end.send(StreamEnd { error: None, tail: tail.clone() }).expect("somebody reads");
        let (chunks, end) = reader.await.expect("no panic");
        assert_eq!(chunks.concat(), b"abcdef");
        assert_eq!(end, StreamEnd { error: None, tail });
    }

    #[tokio::test]
    async fn a_slow_reader_holds_the_writer_and_a_closed_lease_frees_it() {
        let (mut sink, body, _end, cut) = pair();
        for _ in 0..CHUNKS_MAX {
            assert_eq!(sink.put(Bytes::from_static(b"x")).await, Put::Taken);
        }
        let waiting = tokio::spawn(async move { sink.put(Bytes::from_static(b"y")).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(cut);
        assert_eq!(waiting.await.expect("no panic"), Put::Cut);
        drop(body);
    }

    #[tokio::test]
    async fn a_reader_that_left_stops_nobody() {
        let (mut sink, body, _end, _cut) = pair();
        drop(body);
        for _ in 0..100 {
            assert_eq!(sink.put(Bytes::from_static(b"x")).await, Put::Taken);
        }
    }
}
