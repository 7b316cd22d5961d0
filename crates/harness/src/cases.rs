//! Our case format: YAML in which every key is known and every error has its place.

mod expect;
mod input;
mod plan;
pub(crate) mod time;
pub(crate) mod world;

use std::path::Path;
use std::sync::Arc;

use gatewright_host::{AttachPoint, Attributes, Events, LogLevel, Profile};

use crate::model::{
    Budget, Case, Check, Event, Exchange, Format, Matcher, Phase, Step, Suite, Variation,
};
use crate::place::{Wrong, unknown};
use crate::world::{Setup, Upstream, World};
use crate::yaml::{Fields, Kind, Node};

/// What the clock shows to a case that sets none: the first moment of 2025.
pub(crate) const DEFAULT_CLOCK: u64 = 1_735_689_600 * 1_000_000_000;

const FILE_KEYS: &[&str] = &[
    "plugin",
    "profile",
    "config",
    "config_text",
    "config_file",
    "clock",
    "random",
    "properties",
    "log_level",
    "explore",
    "budget",
    "attach",
    "events",
    "plugin_name",
    "root_id",
    "vm_id",
    "vm_config",
    "capabilities",
    "fail",
    "upstreams",
    "cases",
];

const CASE_KEYS: &[&str] = &[
    "name",
    "profile",
    "config",
    "config_text",
    "config_file",
    "clock",
    "random",
    "properties",
    "log_level",
    "explore",
    "budget",
    "attach",
    "events",
    "plugin_name",
    "root_id",
    "vm_id",
    "vm_config",
    "capabilities",
    "fail",
    "upstreams",
    "chain",
    "configure",
    "exchanges",
    "interleave",
    "request",
    "response",
    "advance",
    "expect",
];

/// Keys of an exchange that a case with one may hold itself.
const EXCHANGE_KEYS: &[&str] = &["request", "response", "advance", "expect"];

const LISTED_KEYS: &[&str] = &["request", "response", "advance", "enqueue", "expect"];

/// Reads a file of cases.
pub(crate) fn read(node: &Node, file: &Path) -> Result<Suite, Wrong> {
    let fields = node.fields(FILE_KEYS)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let defaults = Settings::default().overridden(&fields, folder)?;
    let Some(list) = fields.get("cases") else {
        return Err(Wrong::new(node.place, "there is no `cases`"));
    };
    let mut cases: Vec<Case> = Vec::new();
    for node in list.list()? {
        let case = case(node, &defaults, folder)?;
        if let Some(other) = cases.iter().find(|other| other.name == case.name) {
            return Err(Wrong::new(
                node.place,
                format!(
                    "`{}` is the name of the case in line {} too",
                    case.name, other.place.line
                ),
            ));
        }
        cases.push(case);
    }
    Ok(Suite {
        file: file.to_owned(),
        format: Format::Cases,
        plugin: fields.read("plugin", |node| node.text().map(str::to_owned))?,
        cases,
    })
}

/// What a file sets for its cases and a case for itself.
#[derive(Clone)]
struct Settings {
    profile: Profile,
    config: Option<Arc<[u8]>>,
    clock: u64,
    clock_set: bool,
    seed: u64,
    log_level: LogLevel,
    attributes: Arc<Attributes>,
    unexplored: Vec<(Variation, String)>,
    budget: Budget,
    attach: AttachPoint,
    events: Option<Events>,
    /// What is set for every plugin of the chain.
    setup: Setup,
    is_set_up: bool,
    upstreams: Arc<Vec<Upstream>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: Profile::Google,
            config: None,
            clock: DEFAULT_CLOCK,
            clock_set: false,
            seed: 0,
            log_level: LogLevel::Info,
            attributes: Arc::new(Attributes::new()),
            unexplored: Vec::new(),
            budget: Budget::default(),
            attach: AttachPoint::default(),
            events: None,
            setup: Setup::default(),
            is_set_up: false,
            upstreams: Arc::default(),
        }
    }
}

impl Settings {
    fn overridden(&self, fields: &Fields<'_>, folder: &Path) -> Result<Self, Wrong> {
        let mut settings = self.clone();
        if let Some(node) = fields.get("profile") {
            let name = node.text()?;
            settings.profile = name.parse().map_err(|_| {
                let known: Vec<_> = Profile::ALL.iter().map(|profile| profile.name()).collect();
                unknown(node.place, "profile", name, &known)
            })?;
        }
        settings.config = configuration(fields, folder)?.or(settings.config);
        if let Some(node) = fields.get("attach") {
            settings.attach = world::attach(node)?;
        }
        if let Some(node) = fields.get("events") {
            settings.events = Some(world::events(node)?);
        }
        settings.is_set_up |= world::setup(fields, &mut settings.setup)?;
        if let Some(node) = fields.get("upstreams") {
            settings.upstreams = Arc::new(world::upstreams(node, folder)?);
        }
        if let Some(node) = fields.get("clock") {
            settings.clock = clock(node)?;
            settings.clock_set = true;
        }
        if let Some(node) = fields.get("random") {
            settings.seed = node.number()?;
        }
        if let Some(node) = fields.get("log_level") {
            settings.log_level = log_level(node)?;
        }
        if let Some(node) = fields.get("explore") {
            plan::unexplored(node, &mut settings.unexplored)?;
        }
        if let Some(node) = fields.get("budget") {
            plan::budget(node, &mut settings.budget)?;
        }
        if let Some(node) = fields.get("properties") {
            let mut attributes = (*settings.attributes).clone();
            let Kind::Map(entries) = &node.kind else {
                return Err(node.not("a mapping of paths to values"));
            };
            for (path, value) in entries {
                attributes.set(&path.name, input::property(value)?);
            }
            settings.attributes = Arc::new(attributes);
        }
        Ok(settings)
    }
}

/// The configuration that a case, or a member of its chain, gives.
fn configuration(fields: &Fields<'_>, folder: &Path) -> Result<Option<Arc<[u8]>>, Wrong> {
    Ok(
        match fields.one_of(&["config", "config_text", "config_file"])? {
            None => None,
            Some(("config", node)) => Some(node.to_json().into()),
            Some(("config_text", node)) => Some(node.text()?.as_bytes().into()),
            Some((_, node)) => Some(input::read_file(node, folder)?.into()),
        },
    )
}

fn clock(node: &Node) -> Result<u64, Wrong> {
    let seconds = |seconds: u64| {
        seconds
            .checked_mul(1_000_000_000)
            .ok_or_else(|| Wrong::new(node.place, "this clock is past the year 2554"))
    };
    match &node.kind {
        Kind::Number { .. } => seconds(node.number()?),
        Kind::Text(text) => time::nanoseconds(text).map_err(|error| Wrong::new(node.place, error)),
        _ => Err(node.not("a moment as in RFC 3339, or seconds since the epoch")),
    }
}

pub(super) fn log_level(node: &Node) -> Result<LogLevel, Wrong> {
    const LEVELS: [LogLevel; 6] = [
        LogLevel::Trace,
        LogLevel::Debug,
        LogLevel::Info,
        LogLevel::Warn,
        LogLevel::Error,
        LogLevel::Critical,
    ];
    let name = node.text()?;
    LEVELS
        .into_iter()
        .find(|level| level.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            let known = LEVELS.map(|level| level.name().to_ascii_lowercase());
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            unknown(node.place, "log level", name, &known)
        })
}

fn case(node: &Node, defaults: &Settings, folder: &Path) -> Result<Case, Wrong> {
    let fields = node.fields(CASE_KEYS)?;
    let Some(name) = fields.get("name") else {
        return Err(Wrong::new(node.place, "a case needs a `name`"));
    };
    let settings = defaults.overridden(&fields, folder)?;
    let (start_fails, start) = match fields.get("configure") {
        Some(node) => configure(node, folder)?,
        None => (false, Vec::new()),
    };
    let mut plugins = match fields.get("chain") {
        Some(node) => world::chain(node, &settings, folder)?,
        None => Vec::new(),
    };
    if plugins.is_empty() && settings.is_set_up {
        plugins.push(settings.setup.clone());
    }
    let direct = EXCHANGE_KEYS.iter().find_map(|key| fields.get(key));
    let exchanges = match (fields.get("exchanges"), direct) {
        (Some(_), Some(direct)) => {
            return Err(Wrong::new(
                direct.place,
                "with `exchanges`, a case has no exchange of its own",
            ));
        }
        (Some(list), None) => list
            .list()?
            .iter()
            .map(|node| listed(node, folder))
            .collect::<Result<_, _>>()?,
        (None, Some(_)) => vec![exchange(&fields, node, folder)?],
        (None, None) if fields.get("configure").is_some() => Vec::new(),
        (None, None) => {
            return Err(Wrong::new(node.place, "this case does nothing")
                .help("give it a `request`, `exchanges`, or what to expect of `configure`"));
        }
    };
    let turns = match fields.get("interleave") {
        Some(node) => plan::turns(node, exchanges.len())?,
        None => None,
    };
    if start_fails && !exchanges.is_empty() {
        return Err(Wrong::new(
            node.place,
            "a plugin that fails to start takes no exchange",
        ));
    }
    Ok(Case {
        name: name.text()?.to_owned(),
        place: node.place,
        profile: settings.profile,
        config: settings.config,
        clock: settings.clock,
        clock_set: settings.clock_set,
        seed: settings.seed,
        log_level: settings.log_level,
        attributes: settings.attributes,
        start_fails,
        start,
        exchanges,
        turns,
        unexplored: settings.unexplored,
        budget: settings.budget,
        world: World {
            plugins,
            attach: settings.attach,
            events: settings.events,
            upstreams: settings.upstreams,
        },
    })
}

/// An item of `exchanges`: an exchange, or something that happens between two.
fn listed(node: &Node, folder: &Path) -> Result<Exchange, Wrong> {
    let fields = node.fields(LISTED_KEYS)?;
    if fields.get("request").is_some() {
        if let Some(node) = fields.get("enqueue") {
            return Err(Wrong::new(
                node.place,
                "`enqueue` stands in an item of its own, before the exchange",
            ));
        }
        return exchange(&fields, node, folder);
    }
    let before = world::happenings(&fields)?;
    if let (true, Some(response)) = (!before.is_empty(), fields.get("response")) {
        return Err(Wrong::new(
            response.place,
            "without a `request` there is no response",
        ));
    }
    if before.is_empty() {
        return exchange(&fields, node, folder);
    }
    let mut exchange = Exchange {
        before,
        ..Exchange::default()
    };
    if let Some(expected) = fields.get("expect") {
        expect::exchange(expected, folder, &mut exchange)?;
    }
    Ok(exchange)
}

fn configure(node: &Node, folder: &Path) -> Result<(bool, Vec<Check>), Wrong> {
    let fields = node.fields(&["fails", "logs", "no_logs", "findings"])?;
    let fails = fields.read("fails", Node::bool)?.unwrap_or(false);
    Ok((fails, expect::common(&fields, folder)?))
}

fn exchange(fields: &Fields<'_>, node: &Node, folder: &Path) -> Result<Exchange, Wrong> {
    let Some(request) = fields.get("request") else {
        return Err(Wrong::new(node.place, "an exchange needs a `request`")
            .help("write `request: {}` for `GET https://example.com/`"));
    };
    let mut exchange = Exchange::default();
    let events = input::request(request, folder)?;
    exchange.steps.extend(steps(events, Phase::RequestHeaders));
    if let Some(response) = fields.get("response") {
        let events = input::response(response, folder)?;
        exchange.steps.extend(steps(events, Phase::ResponseHeaders));
    }
    if let Some(node) = fields.get("advance") {
        world::advance(node, &mut exchange)?;
    }
    if let Some(expected) = fields.get("expect") {
        expect::exchange(expected, folder, &mut exchange)?;
    }
    Ok(exchange)
}

fn steps(events: Vec<Event>, first: Phase) -> impl Iterator<Item = Step> {
    let is_request = first == Phase::RequestHeaders;
    events.into_iter().map(move |event| Step {
        phase: match (&event, is_request) {
            (Event::Headers { .. }, _) => first,
            (Event::Body { .. }, true) => Phase::RequestBody,
            (Event::Body { .. }, false) => Phase::ResponseBody,
            (Event::Trailers(_), true) => Phase::RequestTrailers,
            (Event::Trailers(_), false) => Phase::ResponseTrailers,
        },
        event,
        checks: Vec::new(),
        advance: 0,
    })
}

/// A trap that is expected: how its message reads.
fn trap(node: &Node, folder: &Path) -> Result<Matcher, Wrong> {
    expect::matcher(node, folder)
}
