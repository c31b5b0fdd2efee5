//! One poller: receives a batch, runs the function with it, settles its messages, and so on.
//!
//! Messages that the function did are gone; those that it failed stay unseen for as long as the queue says, and come
//! back, until the queue's own redrive policy moves them. What cannot run for want of concurrency is tried again for as
//! long as the messages are held.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aside::{BrokeOff, Turn};
use bytes::Bytes;
use model::arn::ResourceArn;
use model::error::ServiceError;
use model::event_source::EventSourceMapping;
use model::fault::Fault;
use model::function::Function;
use model::id::RequestId;
use model::lineage;
use model::port::{FunctionFailure, Invocation, Response};
use model::queue::{HandOut, HandingOut, Hold, QueueName, Receipt, Receive, Received, Settle};
use model::sqs::{Content, Source};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::Inner;
use super::batch::{Failures, Filters, Seen, failures, record};
use crate::pace::Pace;

/// How long one receive waits for messages.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait for a queue, a function or a right that is not there.
const AFTER_ABSENCE: Duration = Duration::from_secs(2);
/// Bytes of the records of one event; the rest is for what stands around them.
const RECORDS_BYTES_MAX: usize = model::limits::PAYLOAD_SYNC_BYTES_MAX - 1_024;
/// From this size on filters may take a tenth of a second over a message.
const LARGE_BYTES: usize = 8 * 1024;
/// Messages in a batch of a queue that is asked without a window (`ReceiveMessage` gives ten).
const BATCH_WITHOUT_WINDOW_MAX: u32 = 10;
/// Time that messages are held beyond the function's timeout.
const HOLD_MARGIN: Duration = Duration::from_secs(5);
/// The first pause after a batch that found no concurrency; each is twice as long as the one before.
const THROTTLE_PAUSE: Duration = Duration::from_millis(200);
/// The longest.
const THROTTLE_PAUSE_MAX: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Poller {
    owner: Arc<Inner>,
    mapping: Arc<EventSourceMapping>,
    arn: ResourceArn,
    filters: Option<Filters>,
    pace: Arc<Pace>,
}

/// What messages are received and run by, as queue and function are at the moment.
struct Terms {
    source: Source,
    function: Arc<Function>,
    /// How long the messages are held.
    hold: Duration,
}

/// Hands out by them, for as long as the queue is there and the function may have its messages.
struct ByItsTerms {
    poller: Arc<Poller>,
    queue: QueueName,
    /// The shortest hold that was said.
    shortest: Arc<Mutex<Duration>>,
}

impl HandingOut for ByItsTerms {
    fn now(&self) -> Option<HandOut> {
        let terms = self.poller.terms().ok().filter(|terms| terms.source.name == self.queue)?;
        let Terms { source: Source { dead_letter, retention, out_max, .. }, hold, .. } = terms;
        let mut shortest = self.shortest.lock().unwrap_or_else(PoisonError::into_inner);
        *shortest = hold.min(*shortest);
        let hold = Hold::For(hold);
        Some(HandOut { hold, dead_letter, age_max: Some(retention), out_max: Some(out_max) })
    }
}

/// What a round goes by.
struct Round {
    terms: Terms,
    begun: Instant,
}

/// What came of the messages of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ran {
    /// All are done.
    Done,
    /// The function failed some or all.
    Failed,
    /// There was no concurrency.
    HeldBack,
    /// The server stops: it did not run, or not to its end.
    Stopped,
}

/// A message as the function sees it.
struct Record {
    message: Received,
    value: Arc<Value>,
    size: usize,
    trace: String,
}

impl Poller {
    pub(super) fn new(
        owner: Arc<Inner>,
        mapping: Arc<EventSourceMapping>,
        arn: ResourceArn,
        pace: Arc<Pace>,
    ) -> Self {
        Self { filters: Filters::new(&mapping.settings.filters), owner, mapping, arn, pace }
    }

    /// Polls until it is told to end.
    pub(super) async fn run(self: Arc<Self>, mut ends: watch::Receiver<bool>) {
        let mut hindered = None;
        while !*ends.borrow() {
            let place = tokio::select! {
                mut places = self.pace.places() => places.split(1),
                _ = ends.wait_for(|ends| *ends) => return,
            };
            let Some(place) = place else { continue };
            match self.gather(&mut ends).await {
                Ok((_, messages)) if messages.is_empty() => hindered = None,
                Ok((round, messages)) => {
                    hindered = None;
                    let poller = Arc::clone(&self);
                    self.owner.tasks.spawn(async move { poller.perform(round, messages, place).await });
                }
                Err(reason) => {
                    // Said once: it may stay so for days.
                    if hindered.as_ref() != Some(&reason) {
                        tracing::warn!(mapping = %self.mapping.id, reason, "nothing is received");
                    }
                    hindered = Some(reason);
                    tokio::select! {
                        () = tokio::time::sleep(AFTER_ABSENCE) => {}
                        _ = ends.wait_for(|ends| *ends) => return,
                    }
                }
            }
        }
    }

    /// Queue and function as they are now, if the function may have messages.
    fn terms(&self) -> Result<Terms, String> {
        let source = self.owner.parts.sources.queue(&self.arn);
        let source = source.ok_or_else(|| format!("there is no queue {}", self.arn))?;
        let function = self.owner.parts.mappings.resolve(&self.mapping, "sqs:ReceiveMessage");
        let function = function.map_err(|error| error.to_string())?;
        let timeout = Duration::from_secs(function.settings.timeout_s.into());
        let hold = hold(source.visibility, timeout, self.window());
        Ok(Terms { source, function, hold })
    }

    fn window(&self) -> Duration {
        Duration::from_secs(self.mapping.settings.window_s.unwrap_or_default().into())
    }

    /// Receives one batch. What was received when the poller is told to end is a batch too.
    async fn gather(
        self: &Arc<Self>,
        ends: &mut watch::Receiver<bool>,
    ) -> Result<(Round, Vec<Received>), String> {
        let (terms, window) = (self.terms()?, self.window());
        let Terms { source, hold, .. } = &terms;
        let batch_max = match window.is_zero() {
            true => self.mapping.settings.batch_size.min(BATCH_WITHOUT_WINDOW_MAX),
            false => self.mapping.settings.batch_size,
        };
        let batch_max = usize::try_from(batch_max).unwrap_or(usize::MAX).max(1);
        let mut messages: Vec<Received> = Vec::new();
        let mut begun = Instant::now();
        let shortest = Arc::new(Mutex::new(*hold));
        loop {
            let wait_max = match messages.is_empty() {
                true => PATIENCE,
                false => window.saturating_sub(begun.elapsed()),
            };
            let wanted = Receive {
                count_max: batch_max - messages.len(),
                one_of_a_group: false,
                wait_max,
                how: Arc::new(ByItsTerms {
                    poller: Arc::clone(self),
                    queue: source.name.clone(),
                    shortest: Arc::clone(&shortest),
                }),
            };
            let received = tokio::select! {
                received = self.owner.parts.queue.receive(&source.name, wanted) => received,
                _ = ends.wait_for(|ends| *ends) => break,
            };
            let received = received.map_err(|error| error.to_string());
            let received = if messages.is_empty() { received? } else { received.unwrap_or_default() };
            if messages.is_empty() {
                begun = Instant::now();
            }
            let is_over = received.is_empty();
            messages.extend(received);
            let size: usize = messages.iter().map(|message| message.content.len()).sum();
            if is_over
                || messages.len() >= batch_max
                || size >= RECORDS_BYTES_MAX
                || begun.elapsed() >= window
            {
                break;
            }
        }
        if messages.is_empty() {
            return Ok((Round { terms, begun }, messages));
        }
        // It may have waited for long: what counts is what queue and function are now.
        match self.terms() {
            Ok(now) if now.source.name == source.name => {
                if now.hold > *shortest.lock().unwrap_or_else(PoisonError::into_inner) {
                    let after = now.hold.saturating_sub(begun.elapsed());
                    self.settle_all(source, &messages, &Settle::Return { after, note: None }).await;
                }
                Ok((Round { terms: now, begun }, messages))
            }
            // The messages went with the queue that they were in.
            Ok(now) => Ok((Round { terms: now, begun }, Vec::new())),
            Err(reason) => {
                self.settle_all(source, &messages, &Settle::Untake).await;
                Err(reason)
            }
        }
    }

    async fn settle_all(&self, source: &Source, messages: &[Received], settle: &Settle) {
        let settled = messages.iter().map(|message| (message.receipt, settle.clone()));
        self.settle(&source.name, settled.collect()).await;
    }

    async fn settle(&self, queue: &QueueName, messages: Vec<(Receipt, Settle)>) {
        if !messages.is_empty()
            && let Err(error) = self.owner.parts.queue.settle(queue, messages).await
        {
            // They come back when their hold is over.
            tracing::warn!(mapping = %self.mapping.id, %error, "a batch cannot be settled");
        }
    }

    /// Runs the function with the messages that the mapping wants, and settles all of them.
    async fn perform(&self, round: Round, messages: Vec<Received>, place: OwnedSemaphorePermit) {
        let source = &round.terms.source;
        let (mut settled, mut wanted, mut turn) = (Vec::new(), Vec::new(), Turn::among_all());
        let may_recur = self.owner.parts.directory.event_settings(&self.mapping.function, None).may_recur;
        let mut messages = messages.into_iter();
        for message in messages.by_ref() {
            let Some(content) = Content::decode(&message.content) else {
                tracing::error!(queue = %source.name, id = %message.id, "a message has a form that is not known");
                continue;
            };
            let handle = self.owner.parts.sources.handle(&source.name, message.receipt);
            let value = Arc::new(record(&self.arn, &message, &content, &handle));
            let (trace, hops) =
                lineage::step(content.trace.as_deref().unwrap_or_default(), &self.mapping.function);
            let is_large = message.content.len() >= LARGE_BYTES;
            let Ok(is_wanted) = self.wants(&value, is_large).await else {
                // Whatever broke off will do so again: it comes back as what a function fails does.
                settled.push((message.receipt, Settle::Return { after: source.visibility, note: None }));
                if source.is_fifo {
                    break;
                }
                continue;
            };
            turn.give_way().await;
            if !is_wanted {
                settled.push((message.receipt, Settle::Done { outcome: None }));
            } else if hops > lineage::HOPS_MAX && !may_recur {
                tracing::warn!(mapping = %self.mapping.id, id = %message.id, "a message went round in a circle");
                settled.push((message.receipt, stopped(source)));
            } else {
                let size = value.to_string().len() + 1;
                wanted.push(Record { message, value, size, trace });
            }
        }
        settled.extend(messages.map(|message| (message.receipt, Settle::Untake)));
        let (mut held_back, mut chunks) = (false, chunks(wanted).into_iter());
        for chunk in chunks.by_ref() {
            let ran = self.run_chunk(&round, &chunk, &mut settled).await;
            held_back |= ran == Ran::HeldBack;
            // What must keep its order does not run before what is to be tried again.
            if ran == Ran::Stopped || source.is_fifo && ran != Ran::Done {
                break;
            }
        }
        settled.extend(chunks.flatten().map(|record| (record.message.receipt, Settle::Untake)));
        self.settle(&source.name, settled).await;
        match held_back {
            true => self.pace.held_back(place),
            false => self.pace.ran(place),
        }
    }

    /// Whether the filters want a record; over large ones they may take their time, in the line of the mapping.
    async fn wants(&self, record: &Arc<Value>, is_large: bool) -> Result<bool, BrokeOff> {
        let Some(filters) = &self.filters else { return Ok(true) };
        let mut next = 0;
        loop {
            let seen = if is_large {
                let (filters, record, first) = (filters.clone(), Arc::clone(record), next);
                let look = move || filters.look(&record, first, Turn::aside());
                self.owner.parts.aside.run(&self.mapping.id.to_string(), look).await?
            } else {
                filters.look(record, next, Turn::among_all())
            };
            match seen {
                Seen::Wanted => return Ok(true),
                Seen::Unwanted => return Ok(false),
                Seen::Next(number) => next = number,
            }
        }
    }

    /// Runs the function with one event, and notes what becomes of its messages.
    async fn run_chunk(&self, round: &Round, chunk: &[Record], settled: &mut Vec<(Receipt, Settle)>) -> Ran {
        let trace = chunk.iter().map(|record| record.trace.as_str()).max_by_key(|trace| trace.len());
        let trace = trace.filter(|trace| !trace.is_empty()).map(str::to_owned);
        let records: Vec<&Value> = chunk.iter().map(|record| &*record.value).collect();
        let payload = Bytes::from(json!({ "Records": records }).to_string());
        let result = self.invoke(round, payload, trace).await;
        let back_after = round.terms.source.visibility.saturating_sub(round.begun.elapsed());
        let (failed, back) = match result {
            Ok(Some(answer)) if self.mapping.settings.partial_failures == Some(true) => {
                let ids: Vec<String> = chunk.iter().map(|record| record.message.id.to_string()).collect();
                let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                (failures(&answer, &ids), Ran::Failed)
            }
            Ok(Some(_)) => (Failures::Some(Default::default()), Ran::Failed),
            Ok(None) => (Failures::All, Ran::Failed),
            Err(_) if self.owner.is_stopping() => (Failures::All, Ran::Stopped),
            Err(error) => {
                tracing::debug!(mapping = %self.mapping.id, %error, "a batch could not run");
                (Failures::All, Ran::HeldBack)
            }
        };
        let mut ran = Ran::Done;
        for record in chunk {
            let has_failed = match &failed {
                Failures::All => true,
                Failures::Some(ids) => ids.contains(&record.message.id.to_string()),
            };
            let settle = match (has_failed, back) {
                (false, _) => Settle::Done { outcome: None },
                (true, Ran::Stopped) => Settle::Untake,
                (true, Ran::HeldBack) => Settle::Return { after: Duration::ZERO, note: None },
                (true, _) => Settle::Return { after: back_after, note: None },
            };
            if has_failed {
                ran = back;
            }
            settled.push((record.message.receipt, settle));
        }
        ran
    }

    /// The function's answer, or nothing if it failed; tried again while there is no concurrency and there is time.
    ///
    /// # Errors
    /// What the engine said last; anything if the server stops.
    async fn invoke(
        &self,
        round: &Round,
        payload: Bytes,
        trace: Option<String>,
    ) -> Result<Option<Bytes>, ServiceError> {
        let Terms { function, hold, .. } = &round.terms;
        let timeout = Duration::from_secs(function.settings.timeout_s.into());
        let mut pause = THROTTLE_PAUSE;
        loop {
            let mut random = [0; 16];
            self.owner.parts.entropy.fill(&mut random);
            let invocation = Invocation {
                request: RequestId::from_random(random),
                invoked_arn: self.mapping.function_arn(),
                function: Arc::clone(function),
                payload: payload.clone(),
                client_context: None,
                cognito_identity: None,
                trace: trace.clone(),
                tail: false,
                streaming: false,
                tenant: None,
            };
            let error = match self.owner.parts.invoke.invoke(invocation).await {
                Ok(outcome) => match outcome.result {
                    Ok(Response::Whole(answer)) => return Ok(Some(answer)),
                    Ok(Response::Stream { .. }) => return Ok(Some(Bytes::new())),
                    Err(FunctionFailure::Fault(Fault::Stopped)) if self.owner.is_stopping() => {
                        return Err(ServiceError::Unavailable("The server is stopping.".to_owned()));
                    }
                    Err(_) => return Ok(None),
                },
                Err(error) => error,
            };
            // After another attempt there must be time to run.
            if self.owner.is_stopping() || round.begun.elapsed() + pause + timeout >= *hold {
                return Err(error);
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.owner.stopped() => {}
            }
            pause = (pause * 2).min(THROTTLE_PAUSE_MAX);
        }
    }
}

/// How long messages are held: while they are gathered, and then while the function may run. Whoever set the queue up for
/// less would have them handed out again in the middle of it.
fn hold(visibility: Duration, timeout: Duration, window: Duration) -> Duration {
    visibility.max(timeout + HOLD_MARGIN) + window
}

/// What becomes of a message that went round in a circle: a dead letter, if the queue has a place for them.
fn stopped(source: &Source) -> Settle {
    match &source.dead_letter {
        Some(dead_letter) => Settle::Move { to: dead_letter.queue.clone(), renewed: None },
        None => Settle::Done { outcome: None },
    }
}

/// Records in their order, as many together as one event may hold.
fn chunks(records: Vec<Record>) -> Vec<Vec<Record>> {
    let (mut chunks, mut size) = (Vec::<Vec<Record>>::new(), 0);
    for record in records {
        match chunks.last_mut() {
            Some(chunk) if size + record.size <= RECORDS_BYTES_MAX => {
                size += record.size;
                chunk.push(record);
            }
            _ => {
                size = record.size;
                chunks.push(vec![record]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_held_while_they_are_gathered_and_while_the_function_runs() {
        let seconds = Duration::from_secs;
        let check = |visibility_s, timeout_s, window_s, expect_s| {
            assert_eq!(hold(seconds(visibility_s), seconds(timeout_s), seconds(window_s)), seconds(expect_s));
        };
        check(30, 3, 0, 30);
        check(30, 60, 0, 65);
        check(30, 3, 300, 330);
        check(0, 900, 300, 1_205);
    }
}
