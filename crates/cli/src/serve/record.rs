//! `gatewright serve --record`: live exchanges as files of cases, written by a thread of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context as _;
use gatewright_gateway::{End, Message, Recorder, Recording};
use gatewright_harness::{
    Budget, Case, Check, Event, Exchange, Matcher, Pattern, Phase, Place, ReplyIs, Step, World,
    case_file,
};
use gatewright_host::{Attributes, Events, Profile};

use crate::write::{self, Readers};

/// Exchanges that may wait to be written. Others are left out: nobody is kept waiting for a disk.
const WAITING: usize = 256;

/// Takes exchanges and writes them down until it is told to stop.
pub(crate) struct Cases {
    sender: Mutex<Option<SyncSender<Box<Recording>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<Counts>,
    folder: PathBuf,
}

/// What became of the exchanges.
struct Counts {
    /// Those that are still taken.
    room: AtomicUsize,
    written: AtomicUsize,
    left_out: Mutex<BTreeMap<String, usize>>,
}

impl Counts {
    fn left_out(&self, reason: &str) {
        let mut reasons = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        *reasons.entry(reason.to_owned()).or_default() += 1;
    }
}

impl Cases {
    /// Starts writing into a folder, which is made if it is not there, no more files than `limit`.
    pub(crate) fn start(folder: &Path, limit: usize) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
        let counts = Arc::new(Counts {
            room: AtomicUsize::new(limit),
            written: AtomicUsize::new(0),
            left_out: Mutex::default(),
        });
        let (sender, received) = sync_channel::<Box<Recording>>(WAITING);
        let (into, told) = (folder.to_path_buf(), Arc::clone(&counts));
        let writer = std::thread::Builder::new()
            .name("gatewright-record".to_owned())
            .spawn(move || {
                for recording in received {
                    match write(&into, *recording) {
                        Ok(()) => {
                            told.written.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(reason) => told.left_out(&reason),
                    }
                }
            })
            .context("cannot start a thread")?;
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
            counts,
            folder: folder.to_path_buf(),
        })
    }

    /// Writes what waits still, and says in a few lines what became of all.
    pub(crate) fn finish(&self) -> String {
        let take = |sender: &Mutex<Option<_>>| {
            sender.lock().unwrap_or_else(PoisonError::into_inner).take()
        };
        drop(take(&self.sender));
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // If it panicked it has said so itself.
            let _ = writer.join();
        }
        let written = self.counts.written.load(Ordering::Relaxed);
        let cases = if written == 1 { "case is" } else { "cases are" };
        let mut text = format!("{written} {cases} in `{}`\n", self.folder.display());
        let left_out = &self.counts.left_out;
        for (reason, count) in &*left_out.lock().unwrap_or_else(PoisonError::into_inner) {
            text.push_str(&format!("{count} exchanges are left out: {reason}\n"));
        }
        text
    }
}

impl Recorder for Cases {
    fn record(&self, recording: Recording) {
        let room = &self.counts.room;
        let took = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| {
            room.checked_sub(1)
        });
        if took.is_err() {
            return self
                .counts
                .left_out("there are as many as `--record-limit` says");
        }
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = sender
            .as_ref()
            .map(|sender| sender.try_send(Box::new(recording)));
        if !matches!(sent, Some(Ok(()))) {
            room.fetch_add(1, Ordering::Relaxed);
            self.counts
                .left_out("they came faster than they could be written");
        }
    }

    fn left_out(&self, reason: &'static str) {
        self.counts.left_out(reason);
    }
}

/// Writes a file of one case, whole or not at all.
fn write(folder: &Path, recording: Recording) -> Result<(), String> {
    // A plugin's folder holds the cases of all its versions: those are what is compared.
    let folder = folder.join(recording.plugin.replace('/', "-"));
    let name = format!(
        "{}-{:016x}.yaml",
        recording.clock / 1_000_000,
        recording.request_id
    );
    let head = format!(
        "# Recorded by `gatewright serve --record` from the plugin {}, version {}.\n\
         # Nothing is blacked out: what clients sent is here, and so are their credentials.\n",
        recording.plugin, recording.version
    );
    let text = case_file(&case(recording))?;
    let told = |error: &dyn std::fmt::Display| {
        format!("`{}` cannot be written to: {error}", folder.display())
    };
    std::fs::create_dir_all(&folder).map_err(|error| told(&error))?;
    // Readable for nobody else.
    write::whole(
        &folder.join(name),
        (head + &text).as_bytes(),
        Readers::Owner,
    )
    .map_err(|error| told(error.root_cause()))
}

/// The case that a recording is: what the plugin saw, and that it makes the same of it.
fn case(recording: Recording) -> Case {
    let of_request = [Phase::RequestHeaders, Phase::RequestBody];
    let of_response = [Phase::ResponseHeaders, Phase::ResponseBody];
    let head = |name: &[u8]| {
        let value = recording.request.headers.get(name).unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    };
    let name = format!(
        "{} {}{} ({:016x})",
        head(b":method"),
        head(b":authority"),
        head(b":path"),
        recording.request_id
    );
    let mut steps = message(recording.request, of_request);
    if let Some(response) = recording.response {
        steps.extend(message(response, of_response));
    }
    let mut whole: Vec<Check> = recording
        .logs
        .into_iter()
        // The format has no words for messages that are no text.
        .filter(|line| std::str::from_utf8(&line.message).is_ok())
        .map(|line| Check::Log(Some(line.level), Matcher::exact(line.message)))
        .collect();
    let mut trap = None;
    let anything = || Matcher::new(Pattern::Contains(Vec::new()));
    match recording.end {
        None => whole.push(Check::NoReply),
        Some(End::Reply(reply)) => whole.push(Check::Reply(ReplyIs {
            status: Some(reply.status),
            grpc_status: None,
            checks: vec![
                Check::Exact(reply.headers),
                Check::Body(Matcher::exact(reply.body)),
            ],
        })),
        Some(End::Failed(status)) => {
            trap = Some(anything());
            whole.push(Check::Reply(ReplyIs {
                status: Some(u32::from(status)),
                ..ReplyIs::default()
            }));
        }
        Some(End::Reset) => trap = Some(anything()),
    }
    let listed = recording.events;
    let all = listed.headers == [true; 2] && listed.bodies == [true; 2];
    Case {
        name,
        place: Place::default(),
        profile: Profile::Google,
        config: Some(recording.configuration).filter(|config| !config.is_empty()),
        clock: recording.clock,
        clock_set: true,
        seed: recording.seed,
        log_level: recording.log_level,
        attributes: Arc::new(Attributes::new()),
        start_fails: false,
        start: Vec::new(),
        exchanges: vec![Exchange {
            steps,
            whole,
            trap,
            ..Exchange::default()
        }],
        turns: None,
        unexplored: Vec::new(),
        budget: Budget::default(),
        world: World {
            // Trailers are not shown to plugins, listed or not.
            events: (!all).then_some(Events {
                trailers: [false; 2],
                ..listed
            }),
            ..World::default()
        },
    }
}

/// What is sent of a message, with what must come of it.
fn message(message: Message, [headers, body]: [Phase; 2]) -> Vec<Step> {
    let mut steps = vec![Step {
        phase: headers,
        event: Event::Headers {
            headers: message.headers,
            end_of_stream: message.headers_end,
        },
        checks: message.made_headers.map(Check::Exact).into_iter().collect(),
        advance: 0,
    }];
    if !message.chunks.is_empty() {
        steps.push(Step {
            phase: body,
            event: Event::Body {
                chunks: message.chunks,
                end_of_stream: message.chunks_end,
            },
            checks: vec![Check::Body(Matcher::exact(message.made_body))],
            advance: 0,
        });
    }
    steps
}
