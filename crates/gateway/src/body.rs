//! Reading request bodies whole, within bounds: size per operation, time and speed, and bytes held by all requests together.
//!
//! Only bytes that have arrived count against others, never those that a client merely announces. [`room`] says who may hold
//! how much, [`pace`] how fast a large body has to come.

mod pace;
mod room;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use model::error::ServiceError;
use tokio::time::Instant;

use self::pace::{Lag, Pace};
pub use self::room::Holder;
use self::room::{Place, ROOM_KB, Room};

/// Bodies up to this size do not count.
const SMALL_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take over its body, and over each piece of it.
const BODY_TIME_MAX: Duration = Duration::from_secs(300);
const PIECE_TIME_MAX: Duration = Duration::from_secs(30);
/// How often a large body that is waited for is looked at: whether it comes, and whether others want its room.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Room that is made at once for the rest of a body; more is made as it arrives.
const PREPARED_BYTES_MAX: usize = 1024 * 1024;
/// How much of a refused body is read and thrown away.
const DISCARD_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Reads bodies.
pub struct Bodies {
    room: Room,
}

/// A body in memory, counted until it is dropped.
#[derive(Debug)]
pub struct Held {
    /// The bytes.
    pub bytes: Bytes,
    _place: Option<Place>,
}

impl Bodies {
    /// Holds nothing yet.
    pub fn new() -> Self {
        Self { room: Room::new(ROOM_KB) }
    }

    /// Reads the holder's body of at most `limit_bytes` for the operation that AWS's message names. Room is taken as bytes
    /// arrive, so that who announces much and sends nothing is in nobody's way.
    ///
    /// # Errors
    /// `RequestTooLarge`; `Serialization` if it breaks off or stalls; `Unavailable` if too much is held already, or if it
    /// stalls while others wait for what it holds.
    pub async fn read<B>(
        &self,
        mut body: B,
        holder: Holder,
        limit_bytes: usize,
        operation: &str,
    ) -> Result<Held, ServiceError>
    where
        B: Body<Data = Bytes, Error: Send> + Send + Unpin + 'static,
    {
        let error = match self.collect(&mut body, &holder, limit_bytes).await {
            Ok(Some(held)) => return Ok(held),
            Ok(None) => ServiceError::RequestTooLarge(format!(
                "Request must be smaller than {limit_bytes} bytes for the {operation} operation"
            )),
            Err(error) => error,
        };
        discard(body);
        Err(error)
    }

    /// The whole body, or `None` if it is larger than the limit.
    async fn collect<B: Body<Data = Bytes> + Unpin>(
        &self,
        body: &mut B,
        holder: &Holder,
        limit_bytes: usize,
    ) -> Result<Option<Held>, ServiceError> {
        let announced = |body: &B| usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced(body) > limit_bytes {
            return Ok(None);
        }
        let mut reading = Reading::of(body);
        let Some(first) = reading.next().await? else {
            return Ok(Some(Held { bytes: Bytes::new(), _place: None }));
        };
        if first.len() > limit_bytes {
            return Ok(None);
        }
        self.hold(&mut reading, holder, first.len(), limit_bytes).await?;
        // Nearly every body is one piece, which is then not copied.
        if reading.body.is_end_stream() {
            return Ok(Some(Held { bytes: first, _place: reading.place }));
        }
        let to_come = announced(reading.body).min(PREPARED_BYTES_MAX);
        let mut whole = BytesMut::with_capacity(first.len() + to_come);
        whole.extend_from_slice(&first);
        while let Some(piece) = reading.next().await? {
            let size_bytes = whole.len() + piece.len();
            if size_bytes > limit_bytes {
                return Ok(None);
            }
            self.hold(&mut reading, holder, size_bytes, limit_bytes).await?;
            whole.extend_from_slice(&piece);
        }
        Ok(Some(Held { bytes: whole.freeze(), _place: reading.place }))
    }

    /// Makes room for a body that has grown to `size_bytes`; once it is large, it has a place.
    async fn hold<B: Body<Data = Bytes> + Unpin>(
        &self,
        reading: &mut Reading<'_, B>,
        holder: &Holder,
        size_bytes: usize,
        limit_bytes: usize,
    ) -> Result<(), ServiceError> {
        if size_bytes <= SMALL_BYTES_MAX {
            return Ok(());
        }
        let occupied = || {
            let message = "Too many large requests are in progress; try again later.";
            ServiceError::Unavailable(message.to_owned())
        };
        let began = Instant::now();
        let place = match &mut reading.place {
            Some(place) => place,
            None => {
                let to_come = reading.body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
                let bytes_max = to_come.map_or(limit_bytes, |bytes| size_bytes.saturating_add(bytes));
                let claimed = self.room.claim(holder.clone(), bytes_max.min(limit_bytes)).await;
                reading.place.insert(claimed.ok_or_else(occupied)?)
            }
        };
        if !place.hold(size_bytes).await {
            return Err(occupied());
        }
        reading.pace.rested(began.elapsed());
        Ok(())
    }
}

/// Whether a body is announced to be so small that it does not count.
pub fn is_small(body: &Incoming) -> bool {
    body.size_hint().upper().is_some_and(|size_bytes| size_bytes <= SMALL_BYTES_MAX as u64)
}

/// Reads the rest of a refused body and throws it away, within bounds, while the answer is already on its way: a
/// client that is still sending would otherwise see a broken connection instead of the answer. The connection
/// takes no next request before this has ended, so there are never more of these than connections.
pub fn discard<B>(mut body: B)
where
    B: Body<Data = Bytes, Error: Send> + Send + Unpin + 'static,
{
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let mut reading = Reading::of(&mut body);
        let mut discarded_bytes = 0;
        while let Ok(Some(piece)) = reading.next().await {
            discarded_bytes += piece.len();
            if discarded_bytes > DISCARD_BYTES_MAX {
                return;
            }
        }
    });
}

/// A body that is being read.
struct Reading<'b, B> {
    body: &'b mut B,
    deadline: Instant,
    /// What it holds, once it is large.
    place: Option<Place>,
    pace: Pace,
}

impl<'b, B: Body<Data = Bytes> + Unpin> Reading<'b, B> {
    fn of(body: &'b mut B) -> Self {
        let now = Instant::now();
        Self { body, deadline: now + BODY_TIME_MAX, place: None, pace: Pace::from(now) }
    }

    /// The next piece of data, or `None` at the end; trailers are nothing to us.
    async fn next(&mut self) -> Result<Option<Bytes>, ServiceError> {
        let patience = self.deadline.min(Instant::now() + PIECE_TIME_MAX);
        loop {
            let look = match self.place {
                Some(_) => patience.min(Instant::now() + LOOK_EVERY),
                None => patience,
            };
            let data = match tokio::time::timeout_at(look, self.body.frame()).await {
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(broken("broke off")),
                Ok(Some(Ok(frame))) => frame.into_data().ok(),
                Err(_) if Instant::now() >= patience => return Err(late()),
                Err(_) => None,
            };
            let now = Instant::now();
            self.pace.brought(data.as_ref().map_or(0, Bytes::len), now);
            if let Some(place) = &self.place {
                self.pace.check(now, place.is_wanted()).map_err(behind)?;
            }
            if data.is_some() {
                return Ok(data);
            }
        }
    }
}

fn broken(what: &str) -> ServiceError {
    ServiceError::Serialization(format!("The request body {what}."))
}

fn late() -> ServiceError {
    broken("did not arrive in time")
}

fn behind(lag: Lag) -> ServiceError {
    match lag {
        Lag::TooSlow => late(),
        Lag::GivesWay => ServiceError::Unavailable(
            "The request body arrived too slowly while others waited; try again later.".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::Channel;
    use http_body_util::channel::Sender;
    use tokio::task::JoinHandle;

    use super::*;

    const KB: usize = 1024;
    /// With a room of 4 MB, a share is one.
    const LARGEST: usize = 1024 * KB;

    type Answer = JoinHandle<Result<Held, ServiceError>>;

    fn small_room() -> Arc<Bodies> {
        Arc::new(Bodies { room: Room::new(4 * LARGEST / KB) })
    }

    /// Begins to send a body for somebody.
    fn begin(bodies: &Arc<Bodies>, name: &str, limit_bytes: usize) -> (Sender<Bytes>, Answer) {
        let (sender, body) = Channel::new(1);
        let (bodies, holder) = (Arc::clone(bodies), Holder::Caller(name.to_owned(), None));
        (sender, tokio::spawn(async move { bodies.read(body, holder, limit_bytes, "Test").await }))
    }

    async fn send(sender: &mut Sender<Bytes>, bytes: usize) {
        sender.send_data(vec![0; bytes].into()).await.expect("taken");
    }

    async fn read(answer: Answer) -> Result<usize, ServiceError> {
        answer.await.expect("no panic").map(|held| held.bytes.len())
    }

    fn code(found: &Result<usize, ServiceError>) -> Option<String> {
        let error = found.as_ref().err()?;
        Some(wire::error::ErrorReply::read(&wire::error::reply(error)).code)
    }

    /// Sends a byte every other second until it is told to stop, as who only wants to hold room.
    fn drip(mut sender: Sender<Bytes>) -> JoinHandle<()> {
        tokio::spawn(async move {
            while sender.send_data(Bytes::from_static(b"x")).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        })
    }

    #[tokio::test(start_paused = true)]
    async fn who_fills_a_share_and_drips_is_in_nobody_elses_way() {
        let bodies = small_room();
        for _ in 0..8 {
            let (mut sender, _) = begin(&bodies, "hog", LARGEST);
            send(&mut sender, LARGEST - 10 * KB).await;
            drip(sender);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        let (mut sender, answer) = begin(&bodies, "other", LARGEST);
        send(&mut sender, LARGEST).await;
        drop(sender);
        assert_eq!(read(answer).await, Ok(LARGEST));
        assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_hold_all_the_room_give_it_up_whether_they_drip_or_are_silent() {
        for drips in [true, false] {
            let bodies = small_room();
            let (mut hogs, mut silent) = (Vec::new(), Vec::new());
            for number in 0..8 {
                let (mut sender, answer) = begin(&bodies, &format!("hog-{number}"), LARGEST);
                send(&mut sender, LARGEST / 2).await;
                hogs.push(answer);
                match drips {
                    true => drop(drip(sender)),
                    false => silent.push(sender),
                }
            }
            let began = Instant::now();
            let (mut sender, answer) = begin(&bodies, "other", LARGEST);
            send(&mut sender, LARGEST).await;
            drop(sender);
            assert_eq!(read(answer).await, Ok(LARGEST), "{drips}");
            assert!(began.elapsed() < Duration::from_secs(8), "{drips}: {:?}", began.elapsed());
            for hog in hogs {
                let found = read(hog).await;
                let codes = [Some("ServiceUnavailableException"), Some("SerializationException")];
                assert!(codes.contains(&code(&found).as_deref()), "{found:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_body_that_nearly_stands_still_is_refused_though_nobody_waits() {
        let bodies = small_room();
        let began = Instant::now();
        let (mut sender, answer) = begin(&bodies, "slow", LARGEST);
        send(&mut sender, 100 * KB).await;
        drip(sender);
        let found = read(answer).await;
        assert_eq!(code(&found).as_deref(), Some("SerializationException"), "{found:?}");
        assert!(began.elapsed() < Duration::from_secs(31), "{:?}", began.elapsed());
        // One that comes slowly, but comes, is read.
        let (mut sender, answer) = begin(&bodies, "slow", LARGEST);
        for _ in 0..10 {
            send(&mut sender, 65 * KB).await;
            tokio::time::sleep(Duration::from_secs(29)).await;
        }
        drop(sender);
        assert_eq!(read(answer).await, Ok(650 * KB));
    }

    #[tokio::test(start_paused = true)]
    async fn the_many_uploads_of_one_client_wait_for_each_other() {
        let bodies = small_room();
        let uploads = (0..16).map(|_| {
            let (mut sender, answer) = begin(&bodies, "client", LARGEST);
            tokio::spawn(async move {
                for _ in 0..8 {
                    send(&mut sender, LARGEST / 8).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                drop(sender);
                read(answer).await
            })
        });
        for upload in uploads.collect::<Vec<_>>() {
            assert_eq!(upload.await.expect("no panic"), Ok(LARGEST));
        }
    }
}
