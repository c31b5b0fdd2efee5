//! The sockets inside: reachable from inside only, and nothing else is reachable from there.
//!
//! The namespace has loopback alone; the listeners in it belong to the server, outside.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use dormouse_sandbox::Sandbox;
use libtest_mimic::Trial;

use crate::world::{LISTENERS, World, add, command, run, sh};

pub fn add_to(trials: &mut Vec<Trial>, world: Option<&World>) {
    add(trials, world, "network::listeners_serve_the_inside", listeners_serve);
    add(trials, world, "network::listeners_are_not_on_the_host", not_on_host);
    add(trials, world, "network::a_socket_of_the_sandbox_reaches_what_listens_inside", reaches_inside);
    add(trials, world, "network::the_host_is_out_of_reach", host_out_of_reach);
}

async fn connect(sandbox: &Sandbox, address: &str) -> Result<String, String> {
    let mut command = command(&["/opt/probe", address]);
    command.env.push(("SANDBOX_TESTS_ROLE".into(), "connect".into()));
    let output = run(sandbox, command).await;
    match output.status {
        dormouse_sandbox::ExitStatus::Exited(0) => Ok(output.stdout),
        _ => Err(output.stderr),
    }
}

async fn listeners_serve(world: World) {
    let mut sandbox = world.sandbox().await;
    let listeners = sandbox.take_listeners();
    assert_eq!(listeners.len(), LISTENERS.len());
    assert!(sandbox.take_listeners().is_empty(), "given once");
    for (listener, address) in listeners.into_iter().zip(LISTENERS) {
        assert_eq!(listener.local_addr().unwrap().to_string(), address);
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let answer = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = stream.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            tokio::task::spawn_blocking(move || stream.write_all(b"welcome").unwrap()).await.unwrap();
        };
        assert_eq!(tokio::join!(answer, connect(&sandbox, address)).1, Ok("welcome".into()));
    }
}

async fn not_on_host(world: World) {
    let _sandbox = world.sandbox().await;
    let mut greeting = String::new();
    // Somebody else on this machine may use the port; but never a sandbox.
    let reached = TcpStream::connect(LISTENERS[0]).and_then(|mut stream| {
        stream.set_read_timeout(Some(std::time::Duration::from_millis(50)))?;
        stream.read_to_string(&mut greeting)
    });
    assert!(reached.is_err(), "{greeting}");
}

/// Connects a socket that the sandbox made, and gives what the other end says.
async fn connect_inside(sandbox: &Sandbox, port: u16) -> std::io::Result<String> {
    let socket = std::net::TcpStream::from(sandbox.tcp_socket().await.unwrap());
    let socket = tokio::net::TcpSocket::from_std_stream(socket);
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await?;
    let mut said = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut said).await?;
    Ok(said)
}

async fn reaches_inside(world: World) {
    let (sandbox, other) = (world.sandbox().await, world.sandbox().await);
    // The same port on the host, so that whoever leaves the sandbox is noticed.
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    assert!(connect_inside(&sandbox, port).await.is_err(), "nobody listens inside yet");
    let mut serve = command(&["/opt/probe", &port.to_string()]);
    serve.env.push(("SANDBOX_TESTS_ROLE".into(), "serve".into()));
    let server = sandbox.spawn(serve).await.unwrap();
    let ready = tokio::net::unix::pipe::Receiver::from_owned_fd(server.stdout.try_clone().unwrap()).unwrap();
    ready.readable().await.unwrap();
    for _ in 0..300 {
        assert_eq!(connect_inside(&sandbox, port).await.unwrap(), "from inside");
    }
    assert!(connect_inside(&other, port).await.is_err(), "another sandbox's");
    let kept = sandbox.tcp_socket().await.unwrap();
    sandbox.kill().unwrap();
    sandbox.gone().await;
    assert!(sandbox.tcp_socket().await.is_err());
    drop(kept);
}

async fn host_out_of_reach(world: World) {
    let sandbox = world.sandbox().await;
    let host = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = host.local_addr().unwrap().port();
    for address in ["127.0.0.1", "169.254.169.254", "10.0.0.1"] {
        assert!(connect(&sandbox, &format!("{address}:{port}")).await.is_err(), "{address} was reached");
    }
    let devices = sh(&sandbox, "cat /proc/net/dev").await.ok();
    assert_eq!(devices.lines().filter(|line| line.contains(':')).count(), 1, "{devices}");
}
