//! A gateway as it runs: other snapshots, its end, and its admin pages.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{OK, PATIENCE, Setup, TO_UP, Upstream, route};

#[test]
fn another_snapshot_is_served_without_a_lost_request() {
    let (old, new) = (
        Upstream::answering(OK),
        Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nnew"),
    );
    let mut setup = Setup::to(old.at);
    setup.workers = 2;
    let running = setup.start();
    let gateway = running.gateway.as_ref().expect("it runs");
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = running.connect();
                    while !over.load(Ordering::Relaxed) {
                        client.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
                        let answer = client.answer();
                        assert_eq!(answer.status, 200);
                        assert!(
                            answer.body == "ok" || answer.body == "new",
                            "{}",
                            answer.body
                        );
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for round in 0..20 {
            let before = asked.load(Ordering::Relaxed);
            setup.up(if round % 2 == 0 { new.at } else { old.at });
            gateway.reload(setup.make().snapshot).expect("it is taken");
            while asked.load(Ordering::Relaxed) < before + 10 {
                std::thread::yield_now();
            }
        }
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("every answer was right");
        }
    });
    setup.up(new.at);
    gateway.reload(setup.make().snapshot).expect("it is taken");
    assert_eq!(running.get("/").body, "new");
}

#[test]
fn a_port_that_is_gone_is_closed_and_others_stay() {
    let setup = Setup::new(route(TO_UP));
    let running = setup.start();
    let gateway = running.gateway.as_ref().expect("it runs");
    // It may not even have been accepted when its port is closed.
    let mut kept = running.connect();
    let without = setup.manifests.clone();
    let mut other = Setup::new(without);
    // The same Gateway, at another address.
    other.services.ports.insert(80, free_port());
    gateway.reload(other.make().snapshot).expect("it is taken");
    let now = gateway.listening();
    assert_eq!(now.len(), 1);
    assert_ne!(now[0].address, running.at);
    // A connection that was there before is served still.
    kept.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
    assert_eq!(kept.answer().status, 200);
}

fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address").port()
}

#[test]
fn the_end_in_order_waits_for_a_request_in_flight() {
    let (begun, go) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    let waiting = std::sync::Mutex::new((begun.0, go.1));
    let upstream = Upstream::new(move |_| {
        let (begun, go) = &*waiting.lock().expect("not poisoned");
        begun.send(()).expect("the test waits");
        go.recv().expect("the test goes on");
        Some(OK.to_owned())
    });
    let mut running = Setup::to(upstream.at).start();
    let mut client = running.connect();
    client.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
    begun.1.recv().expect("it came to the upstream");
    let gateway = running.gateway.take().expect("it runs");
    let end = std::thread::spawn(move || gateway.drain(PATIENCE));
    // Once nobody accepts any more, the end has begun.
    while std::net::TcpStream::connect(running.at).is_ok() {
        std::thread::yield_now();
    }
    go.0.send(()).expect("the upstream waits");
    let answer = client.answer();
    assert_eq!(
        (answer.body.as_str(), answer.header("connection")),
        ("ok", Some("close"))
    );
    assert_eq!(end.join().expect("it ends"), 0);
}

#[test]
fn a_request_that_came_before_the_end_is_answered() {
    const GET: &str = "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n";
    let upstream = Upstream::answering(OK);
    let mut running = Setup::to(upstream.at).start();
    let (mut kept, mut fresh) = (running.connect(), running.connect());
    kept.send(GET);
    assert_eq!(kept.answer().body, "ok");
    for client in [&mut kept, &mut fresh] {
        client.send(GET);
    }
    let gateway = running.gateway.take().expect("it runs");
    assert_eq!(gateway.drain(PATIENCE), 0);
    for client in [&mut kept, &mut fresh] {
        // Before the end began or after it.
        assert_eq!(client.answer().body, "ok");
    }
}

#[test]
fn the_admin_pages_tell_of_objects_and_requests() {
    let running = Setup::new(route("  - backendRefs: [{name: store-v1, port: 80}]")).start();
    assert_eq!(running.get("/").status, 200);
    assert_eq!(running.admin("/healthz").body, "ok\n");
    let status: serde_json::Value =
        serde_json::from_str(&running.admin("/status").body).expect("JSON");
    assert_eq!(status["stores"][0], "default/store-v1");
    assert_eq!(status["listeners"][0]["port"], 80);
    let line = "gatewright_requests_total{gateway=\"default/gw\",port=\"80\",response_code_class=\"2xx\"} 1\n";
    let metrics = running.admin("/metrics").body;
    assert!(metrics.contains(line), "{metrics}");
    assert_eq!(running.admin("/nothing").status, 404);
}
