//! A server with a known fault: it answers at once, but stops altogether for a while at regular
//! intervals, as a garbage collection or a lock would make it. One thread, so the stop hits everybody.
//!
//! `stall_server PORT PAUSE_MS EVERY_MS`

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;
    let [port, pause, every] = arguments[..] else {
        return Err("give PORT PAUSE_MS EVERY_MS".into());
    };
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], u16::try_from(port)?)))?;
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: HashMap<Token, TcpStream> = HashMap::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = [0; 16 * 1024];
    let mut next_token = 0;
    // The first stop is half an interval away, so that no test begins or ends in one.
    let mut next_stop = Instant::now() + Duration::from_millis(every / 2);
    loop {
        let until_stop = next_stop.saturating_duration_since(Instant::now());
        if until_stop.is_zero() {
            std::thread::sleep(
                (next_stop + Duration::from_millis(pause))
                    .saturating_duration_since(Instant::now()),
            );
            next_stop += Duration::from_millis(every);
            continue;
        }
        poll.poll(&mut events, Some(until_stop.min(Duration::from_millis(1))))?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    socket.set_nodelay(true)?;
                    poll.registry()
                        .register(&mut socket, Token(next_token), Interest::READABLE)?;
                    connections.insert(Token(next_token), socket);
                    next_token += 1;
                }
                continue;
            }
            let Some(socket) = connections.get_mut(&event.token()) else {
                continue;
            };
            // Clients send one small request at a time, so a read that brings bytes brings one.
            let ended = loop {
                match socket.read(&mut buffer) {
                    Ok(0) => break true,
                    Ok(_) if socket.write_all(ANSWER).is_ok() => {}
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break false,
                    Ok(_) | Err(_) => break true,
                }
            };
            if ended {
                connections.remove(&event.token());
            }
        }
    }
}
