//! A planned exchange through a running Envoy, one event after the other.
//!
//! One thread holds all ends: it sends a part of the request, waits until Envoy's worker has dealt
//! with it, sends the next, then plays the upstream in the same way. So a plugin sees exactly the
//! chunks that the case cuts, and the log between two moments is about one event.

use std::time::Duration;

use crate::callouts::{Services, Turns};
use crate::emulate::Exchanged;
use crate::error::Error;
use crate::http1::{self, Seen};
use crate::log;
use crate::outcome::{Client, Outcome, calls_of_log};
use crate::plan::{Part, Sent};
use crate::process::Envoy;
use crate::socket::{Conn, Sockets, Which};

/// How long to wait for what should come.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait for what should not come: a plugin holds the exchange back.
const QUIET: Duration = Duration::from_millis(60);

/// An Envoy and the sockets around it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) envoy: Envoy,
    pub(crate) sockets: Sockets,
    /// The names of the services, in the order of their sockets.
    pub(crate) names: Vec<String>,
}

/// An exchange that ran, and how far it was after each event that was sent.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) moments: Vec<Moment>,
}

/// How far an exchange was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moment {
    /// Calls into the plugin.
    pub(crate) calls: usize,
    /// Bytes of the body at the upstream.
    pub(crate) upstream: usize,
    /// Bytes of the body at the client.
    pub(crate) client: usize,
    /// Bytes of the log.
    log: usize,
}

/// What the emulator says will come; it decides how long to wait for it.
struct Expected {
    upstream: bool,
    client: bool,
}

impl Session {
    /// Runs one exchange.
    pub(crate) fn exchange(
        &mut self,
        port: u16,
        sent: &Sent,
        emulated: &Exchanged,
        (services, turns): (&Services, &mut Turns),
    ) -> Result<Ran, Error> {
        self.sockets.client = Some(Conn::connect(port)?);
        let complete = |seen: &Option<Seen>| seen.as_ref().is_some_and(|seen| seen.complete);
        let expected = Expected {
            upstream: complete(&emulated.outcome.upstream),
            client: complete(&emulated.outcome.client.response) || emulated.outcome.client.cut,
        };
        let mut callouts = emulated.callouts.iter().copied();
        let mut seen_callouts = Vec::new();
        let mut answered = Vec::new();
        let to_head = sent.to_head;
        let mut log = Vec::new();
        let mut moments = Vec::new();
        for part in &sent.request {
            self.part(Which::Client, part)?;
            let count = callouts.next().unwrap_or(0);
            let from = (services, &mut *turns);
            self.answer(count, from, &mut answered, &mut seen_callouts)?;
            // A connection to the upstream takes a moment that no barrier waits for.
            if emulated.arrived.get(moments.len()) == Some(&true) {
                self.sockets.until(PATIENCE, |sockets| {
                    upstream(sockets).is_some() || client_done(sockets, to_head)
                });
            }
            moments.push(self.moment(&mut log, to_head)?);
            if client_done(&self.sockets, to_head) {
                break;
            }
        }
        let patience = if expected.upstream || expected.client {
            PATIENCE
        } else {
            QUIET
        };
        self.sockets.until(patience, |sockets| {
            upstream(sockets).is_some_and(|seen| seen.complete) || client_done(sockets, to_head)
        });
        let arrived = upstream(&self.sockets).is_some_and(|seen| seen.complete);
        if arrived && !client_done(&self.sockets, to_head) {
            for part in &sent.response {
                self.part(Which::Upstream, part)?;
                let count = callouts.next().unwrap_or(0);
                let from = (services, &mut *turns);
                self.answer(count, from, &mut answered, &mut seen_callouts)?;
                moments.push(self.moment(&mut log, to_head)?);
                if client_done(&self.sockets, to_head) {
                    break;
                }
            }
        }
        let patience = if expected.client { PATIENCE } else { QUIET };
        self.sockets
            .until(patience, |sockets| client_done(sockets, to_head));
        let client = client(&self.sockets, to_head);
        if let Some(conn) = &mut self.sockets.client {
            conn.close();
        }
        self.envoy.barrier()?;
        self.sockets.look();
        let upstream = upstream(&self.sockets);
        self.sockets.clear();
        self.envoy.barrier()?;
        log.extend(self.envoy.new_log()?);
        for moment in &mut moments {
            moment.calls = calls_of_log(&log::parse(&log[..moment.log])).len();
        }
        let outcome = Outcome {
            calls: calls_of_log(&log::parse(&log)),
            upstream,
            client,
            callouts: seen_callouts,
        };
        Ok(Ran { outcome, moments })
    }

    /// How far the exchange is now.
    fn moment(&mut self, log: &mut Vec<u8>, to_head: bool) -> Result<Moment, Error> {
        log.extend(self.envoy.new_log()?);
        let client = client(&self.sockets, to_head).response;
        Ok(Moment {
            calls: 0,
            upstream: upstream(&self.sockets).map_or(0, |seen| seen.body.len()),
            client: client.map_or(0, |seen| seen.body.len()),
            log: log.len(),
        })
    }

    fn part(&mut self, to: Which, part: &Part) -> Result<(), Error> {
        // A connection that Envoy closed takes nothing more, which shows in what came over it.
        self.sockets.send(to, &part.bytes, PATIENCE);
        self.envoy.barrier()?;
        self.sockets.look();
        Ok(())
    }

    /// Answers so many callouts, in the order in which they come.
    fn answer(
        &mut self,
        count: usize,
        (services, turns): (&Services, &mut Turns),
        answered: &mut Vec<(usize, usize)>,
        seen: &mut Vec<Seen>,
    ) -> Result<(), Error> {
        for _ in 0..count {
            let found = |sockets: &Sockets| next_callout(sockets, answered);
            self.sockets
                .until(PATIENCE, |sockets| found(sockets).is_some());
            let Some((service, conn, request)) = found(&self.sockets) else {
                return Ok(());
            };
            answered.push((service, conn));
            seen.push(request);
            let name = self.names.get(service).map(String::as_str);
            let answer = turns.next(services, name.unwrap_or_default());
            match answer.bytes() {
                Some(bytes) => {
                    self.sockets
                        .send(Which::Service(service, conn), &bytes, PATIENCE);
                }
                None => {
                    if let Some(conn) = self
                        .sockets
                        .services
                        .get_mut(service)
                        .and_then(|server| server.conns.get_mut(conn))
                    {
                        conn.close();
                    }
                }
            }
            self.envoy.barrier()?;
            self.sockets.look();
        }
        Ok(())
    }
}

/// A callout that is complete and not answered yet.
fn next_callout(sockets: &Sockets, answered: &[(usize, usize)]) -> Option<(usize, usize, Seen)> {
    let servers = sockets.services.iter().enumerate();
    servers
        .flat_map(|(service, server)| {
            let conns = server.conns.iter().enumerate();
            conns.map(move |(index, conn)| (service, index, conn))
        })
        .filter(|(service, index, _)| !answered.contains(&(*service, *index)))
        .find_map(|(service, index, conn)| {
            let seen = http1::request(&conn.received)?;
            seen.complete.then_some((service, index, seen))
        })
}

fn upstream(sockets: &Sockets) -> Option<Seen> {
    http1::request(&sockets.upstream.conns.first()?.received)
}

fn client(sockets: &Sockets, to_head: bool) -> Client {
    let Some(conn) = &sockets.client else {
        return Client::default();
    };
    let response = http1::response(&conn.received, to_head, conn.closed);
    let complete = response.as_ref().is_some_and(|seen| seen.complete);
    Client {
        response,
        cut: conn.closed && !complete,
    }
}

/// Whether the client has its answer, or will get none.
fn client_done(sockets: &Sockets, to_head: bool) -> bool {
    let client = client(sockets, to_head);
    client.cut || client.response.is_some_and(|seen| seen.complete)
}
