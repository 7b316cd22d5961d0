//! Faults while requests keep coming: what a fault owns is lost, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::plugins::{HEADERS, MARK, module, setup};
use crate::support::{OK, Upstream};

/// Requests that each round of faults lasts for, at least.
const REQUESTS: usize = 50;
/// Rounds.
const ROUNDS: usize = 30;

#[test]
fn plugins_replaced_and_upstreams_that_reset_cost_no_other_request() {
    let (count, resets) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let reset = Arc::clone(&resets);
    // Of ten requests it cuts off one, after it has seen it.
    let upstream = Upstream::new(move |_| {
        if count.fetch_add(1, Ordering::Relaxed) % 10 == 9 {
            reset.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(OK.to_owned())
    });
    let mut setup = setup(&upstream, &[MARK], HEADERS, "");
    setup.workers = 2;
    let running = setup.start();
    let gateway = running.gateway.as_ref().expect("it runs");
    let (over, asked, failed) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = running.connect();
                    while !over.load(Ordering::Relaxed) {
                        client.send("GET /plugin HTTP/1.1\r\nhost: a.test\r\n\r\n");
                        let answer = client.answer();
                        if answer.status == 502 {
                            failed.fetch_add(1, Ordering::Relaxed);
                        } else {
                            assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
                            let mark = answer.header("x-plugin");
                            assert!(matches!(mark, Some("seen" | "newer")), "{mark:?}");
                        }
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for round in 0..ROUNDS {
            let before = asked.load(Ordering::Relaxed);
            let mark = if round % 2 == 0 {
                module(MARK)
                    .replace("(i32.const 16) \"seen\"", "(i32.const 16) \"newer\"")
                    .replace(
                        "(i32.const 16) (i32.const 4)",
                        "(i32.const 16) (i32.const 5)",
                    )
            } else {
                module(MARK)
            };
            setup.images.0.insert("r.test/p/0".to_owned(), mark);
            let made = setup.make();
            assert_eq!(made.problems, []);
            gateway.reload(made.snapshot).expect("it is taken");
            while asked.load(Ordering::Relaxed) < before + REQUESTS {
                assert!(
                    !clients
                        .iter()
                        .any(std::thread::ScopedJoinHandle::is_finished)
                );
                std::thread::yield_now();
            }
        }
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("every answer was right");
        }
    });
    assert_eq!(
        failed.load(Ordering::Relaxed),
        resets.load(Ordering::Relaxed)
    );
    assert!(resets.load(Ordering::Relaxed) >= ROUNDS * REQUESTS / 10 - 1);
}
