//! What each path of the admin port answers.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatewright_view::page::{self, Live, POLICY, SCRIPT, SCRIPT_PATH, STYLE, STYLE_PATH};
use gatewright_view::{Picture, picture, timeline};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use super::recent::Recent;
use super::{Served, Start, host, told};
use crate::metrics::Registry;
use crate::watch::{Sampler, Story};

/// How long somebody who loaded or asked for something still looks.
const LOOKS_FOR: Duration = Duration::from_secs(5);
/// How often new exchanges may be taken.
const REFILL: Duration = Duration::from_secs(1);

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const SAME_ORIGIN: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The pages and what they are made from. They live on the admin port's thread.
pub(super) struct Pages {
    served: Arc<Mutex<Served>>,
    sampler: Arc<Sampler>,
    registry: Arc<Registry>,
    recent: RefCell<Recent>,
    bound: SocketAddr,
    sample: u32,
    hide_secrets: bool,
    /// When exchanges were last let be taken.
    refilled: Cell<Option<Instant>>,
    /// Until when somebody looks, if somebody does.
    until: Rc<Cell<Option<Instant>>>,
}

impl Pages {
    pub(super) fn new(
        served: Arc<Mutex<Served>>,
        sampler: Arc<Sampler>,
        bound: SocketAddr,
        start: Start,
    ) -> Self {
        Self {
            served,
            sampler,
            registry: start.registry,
            recent: RefCell::default(),
            bound,
            sample: start.sample,
            hide_secrets: start.hide_secrets,
            refilled: Cell::new(None),
            until: Rc::default(),
        }
    }

    /// Keeps an exchange that was written down.
    pub(super) fn keep(&self, story: &Story) {
        let (summary, exchange) = told::told(story, self.hide_secrets);
        self.recent.borrow_mut().add(summary, &exchange);
    }

    pub(super) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if !host::is_ours(request.headers(), self.bound) {
            let text = "the admin pages answer only requests whose `host` is this machine, \
                        as 127.0.0.1 or localhost\n";
            return answer(StatusCode::MISDIRECTED_REQUEST, PLAIN, text);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET\n");
        }
        let query = request.uri().query().unwrap_or_default();
        match request.uri().path() {
            "/" => self.live(),
            "/picture" => ok(
                HTML,
                picture(&self.now(|served| Picture::clone(&served.picture))),
            ),
            STYLE_PATH => ok("text/css; charset=utf-8", STYLE),
            SCRIPT_PATH => ok("text/javascript; charset=utf-8", SCRIPT),
            "/api/exchanges" => self.news(query),
            "/healthz" => ok(PLAIN, "ok\n"),
            "/metrics" => ok(
                "text/plain; version=0.0.4; charset=utf-8",
                self.registry.render(),
            ),
            "/status" => ok(JSON, self.now(|served| served.status.to_string())),
            path => self
                .exchange(path)
                .unwrap_or_else(|| answer(StatusCode::NOT_FOUND, PLAIN, "there is no such page\n")),
        }
    }

    fn now<R>(&self, read: impl FnOnce(&Served) -> R) -> R {
        read(&self.served.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The page of everything.
    fn live(&self) -> Response<Full<Bytes>> {
        self.looked();
        let exchanges = self.recent.borrow().after(0);
        let (picture, generation) =
            self.now(|served| (Picture::clone(&served.picture), served.generation));
        let live = Live {
            picture,
            generation,
            exchanges: &exchanges,
            sample: self.sample,
        };
        ok(HTML, page::live(&live))
    }

    /// What came after an exchange, for the page and for programs.
    fn news(&self, query: &str) -> Response<Full<Bytes>> {
        self.looked();
        let mut after = 0;
        let mut as_rows = false;
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("after", id)) => match id.parse() {
                    Ok(id) => after = id,
                    Err(_) => {
                        let text = "`after` takes the number of an exchange\n";
                        return answer(StatusCode::BAD_REQUEST, PLAIN, text);
                    }
                },
                Some(("rows", "html")) => as_rows = true,
                _ => {}
            }
        }
        let recent = self.recent.borrow();
        let later = recent.after(after);
        let mut news = json!({
            "latest": recent.latest(),
            "generation": self.now(|served| served.generation),
            "sample": self.sample,
        });
        if as_rows {
            news["rows"] = page::rows(&later).into();
        } else {
            news["exchanges"] = json!(later);
        }
        ok(JSON, format!("{news}\n"))
    }

    /// One exchange: `/exchanges/7`, `/exchanges/7/timeline` or `/api/exchanges/7`.
    fn exchange(&self, path: &str) -> Option<Response<Full<Bytes>>> {
        let recent = self.recent.borrow();
        if let Some(id) = path.strip_prefix("/api/exchanges/") {
            return Some(ok(JSON, recent.json(id.parse().ok()?)?.to_string()));
        }
        let id = path.strip_prefix("/exchanges/")?;
        Some(match id.strip_suffix("/timeline") {
            Some(id) => ok(HTML, timeline(&recent.exchange(id.parse().ok()?)?)),
            None => ok(HTML, page::exchange(&recent.exchange(id.parse().ok()?)?)),
        })
    }

    /// Somebody looks: exchanges are taken for some time.
    fn looked(&self) {
        let now = Instant::now();
        let last = self.refilled.get();
        if last.is_none_or(|last| now.duration_since(last) >= REFILL) {
            self.refilled.set(Some(now));
            self.sampler.allow(self.sample);
        }
        // One task waits until nobody looks any more, however many looks there are.
        if self.until.replace(Some(now + LOOKS_FOR)).is_some() {
            return;
        }
        let (sampler, until) = (Arc::clone(&self.sampler), Rc::clone(&self.until));
        tokio::task::spawn_local(async move {
            while let Some(end) = until.get() {
                if end <= Instant::now() {
                    until.set(None);
                    break;
                }
                tokio::time::sleep_until(end.into()).await;
            }
            sampler.allow(0);
        });
    }
}

fn ok(kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(StatusCode::OK, kind, text)
}

fn answer(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (SAME_ORIGIN, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
