//! The floors: what remains when everything that can be left out is left out.
//!
//! For a warm call that is a prototype: HTTP in on the same libraries, the event handed over the Runtime API to the
//! same bootstrap in a bare interpreter, and the answer handed back. No sandbox, no signature, no API, no checks, no
//! pools, no time limits, no log, no metering. For a cold start it is the interpreter itself, started and ended. For a
//! durable write it is a row in SQLite.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, mpsc, oneshot};

/// One event and where its answer goes.
type Call = (Bytes, oneshot::Sender<Bytes>);

/// The prototype around a bare Python interpreter.
pub struct Prototype {
    worker: Child,
    /// Where it listens.
    pub address: SocketAddr,
    _runtime: Runtime,
    _code: tempfile::TempDir,
}

/// What the two sides share: events waiting, and the one being run.
struct Desk {
    calls: mpsc::Sender<Call>,
    waiting: Mutex<mpsc::Receiver<Call>>,
    current: Mutex<Option<oneshot::Sender<Bytes>>>,
}

impl Prototype {
    /// Starts the prototype with a bootstrap of this repository.
    pub fn python(interpreter: &str, bootstrap: &Path) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (calls, waiting) = mpsc::channel(16);
        let desk = Arc::new(Desk { calls, waiting: Mutex::new(waiting), current: Mutex::new(None) });
        let (front, back) = runtime.block_on(async {
            anyhow::Ok((TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?))
        })?;
        let (address, api) = (front.local_addr()?, back.local_addr()?);
        runtime.spawn(accept(front, Arc::clone(&desk), Side::Caller));
        runtime.spawn(accept(back, desk, Side::Runtime));
        let code = tempfile::tempdir()?;
        std::fs::write(code.path().join("app.py"), "def handler(event, context):\n    return event\n")?;
        let worker = Command::new(interpreter)
            .arg("-S")
            .arg(std::fs::canonicalize(bootstrap).context("run the bench in the repository's root")?)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
            .env("LAMBDA_TASK_ROOT", code.path())
            .env("_HANDLER", "app.handler")
            .env("AWS_LAMBDA_FUNCTION_NAME", "echo")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
            .current_dir(code.path())
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("start {interpreter}"))?;
        Ok(Self { worker, address, _runtime: runtime, _code: code })
    }
}

impl Drop for Prototype {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

#[derive(Clone, Copy)]
enum Side {
    Caller,
    Runtime,
}

async fn accept(listener: TcpListener, desk: Arc<Desk>, side: Side) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let desk = Arc::clone(&desk);
        let service = service_fn(move |request| {
            let desk = Arc::clone(&desk);
            async move {
                let answer = match side {
                    Side::Caller => call(&desk, request).await,
                    Side::Runtime => serve(&desk, request).await,
                };
                Ok::<_, Infallible>(answer.unwrap_or_default())
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn call(desk: &Desk, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
    let event = request.into_body().collect().await.ok()?.to_bytes();
    let (sender, answer) = oneshot::channel();
    desk.calls.send((event, sender)).await.ok()?;
    Some(Response::new(Full::new(answer.await.ok()?)))
}

async fn serve(desk: &Desk, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
    if request.method() == Method::GET {
        let (event, answer) = desk.waiting.lock().await.recv().await?;
        *desk.current.lock().await = Some(answer);
        let headers = Response::builder()
            .header("lambda-runtime-aws-request-id", "0e3a2b1c-0000-4000-8000-000000000000")
            .header("lambda-runtime-deadline-ms", "9999999999999")
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:x:0:function:echo");
        return headers.body(Full::new(event)).ok();
    }
    let answer = request.into_body().collect().await.ok()?.to_bytes();
    desk.current.lock().await.take()?.send(answer).ok()?;
    Response::builder().status(202).body(Full::new(Bytes::from_static(b"{}"))).ok()
}

/// How long a bare interpreter takes to start, do nothing and end.
pub fn bare_start(command: &[&str]) -> anyhow::Result<Duration> {
    let (program, arguments) = command.split_first().context("a program")?;
    let began = Instant::now();
    let status =
        Command::new(program).args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).status();
    status.with_context(|| format!("start {program}"))?;
    Ok(began.elapsed())
}

/// A table in a file of its own, whose writers take turns.
pub struct Table {
    connection: std::sync::Mutex<Connection>,
    _dir: tempfile::TempDir,
}

impl Table {
    /// Makes an empty one, as durable as the records of the server are.
    pub fn create() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let connection = Connection::open(dir.path().join("floor.sqlite3"))?;
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE record (name INTEGER PRIMARY KEY, value BLOB NOT NULL) STRICT;",
        )?;
        Ok(Self { connection: std::sync::Mutex::new(connection), _dir: dir })
    }

    /// Writes one row of 1,000 bytes and syncs.
    pub fn commit(&self, name: usize) -> anyhow::Result<()> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut insert = connection.prepare_cached("INSERT INTO record VALUES (?, zeroblob(1000))")?;
        insert.execute([i64::try_from(name)?])?;
        Ok(())
    }

    /// Writes so many rows, changes and removes them, all at a time, with a sync after each.
    pub fn pass(&self, rows: usize) -> anyhow::Result<()> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        for each in [
            "INSERT INTO record VALUES (?, zeroblob(1000))",
            "UPDATE record SET value = zeroblob(999) WHERE name = ?",
            "DELETE FROM record WHERE name = ?",
        ] {
            let transaction = connection.transaction()?;
            for row in 0..rows {
                transaction.prepare_cached(each)?.execute([i64::try_from(row)?])?;
            }
            transaction.commit()?;
        }
        Ok(())
    }

    /// Writes rows of 1,000 bytes in one transaction and syncs.
    pub fn commit_many(&self, first: usize, count: usize) -> anyhow::Result<()> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO record VALUES (?, zeroblob(1000))")?;
            for name in first..first + count {
                insert.execute([i64::try_from(name)?])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}
