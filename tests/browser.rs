//! A Chromium without a window, told what to do over the DevTools protocol on a pair of pipes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// How long an answer may take: only a failure takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// The browser, or nothing, visibly, where there is none.
///
/// # Panics
/// When there is none and `GATEWRIGHT_REQUIRE_PEERS` asks for one.
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| ["chromium", "chromium-browser"].map(|name| folder.join(name)))
        .find(|program| program.is_file());
    if found.is_none() {
        let required = std::env::var("GATEWRIGHT_REQUIRE_PEERS").is_ok_and(|value| value == "1");
        assert!(!required, "`chromium` is required and not in PATH");
        let _ = writeln!(std::io::stderr(), "skipped: `chromium` is not in PATH");
    }
    found
}

/// A browser with one tab.
pub struct Browser {
    child: Child,
    /// Commands go here; nothing once it is to end.
    commands: Option<ChildStdin>,
    said: Receiver<Value>,
    /// The number of the last command.
    last: u64,
    /// The tab.
    session: Option<String>,
    /// What happened and was not asked for.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one with a fresh profile.
    ///
    /// # Panics
    /// When it does not start or answer.
    pub fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        // It reads commands from descriptor 3 and writes answers to 4: no port, no handshake.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let output = child.stdout.take().expect("its output");
        let (sender, said) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let parsed = serde_json::from_slice(&message);
                if parsed.is_ok_and(|parsed: Value| sender.send(parsed).is_err()) {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            commands: child.stdin.take(),
            child,
            said,
            last: 0,
            session: None,
            events: Vec::new(),
            _profile: profile,
        };
        let tab = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let tab = json!({"targetId": tab["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", tab);
        browser.session = session["sessionId"].as_str().map(ToOwned::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// A command of the protocol and its result.
    ///
    /// # Panics
    /// When it fails or is not answered.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut command = json!({"id": self.last, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let commands = self.commands.as_mut().expect("it runs");
        commands
            .write_all(format!("{command}\0").as_bytes())
            .expect("the browser reads");
        loop {
            let said = self.said.recv_timeout(PATIENCE);
            let mut said = said.unwrap_or_else(|error| panic!("`{method}`: {error}"));
            if said["id"] == self.last {
                assert!(said["error"].is_null(), "`{method}`: {}", said["error"]);
                return said["result"].take();
            }
            self.events.push(said);
        }
    }

    /// Shows a page, and waits until it and its script are there.
    ///
    /// # Panics
    /// When it cannot be loaded.
    pub fn open(&mut self, url: &str) {
        let done = self.call("Page.navigate", json!({"url": url}));
        assert!(done["errorText"].is_null(), "{url}: {done}");
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// The value of an expression of JavaScript.
    ///
    /// # Panics
    /// When it throws.
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters =
            json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", parameters);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].take()
    }

    /// Waits until an expression holds in the page.
    ///
    /// # Panics
    /// When it does not within the patience of a test; then with what the page says.
    pub fn wait(&mut self, expression: &str) {
        let held = self.value(&format!(
            "new Promise((done) => {{ const end = performance.now() + 30000;
               const look = () => ({expression}) ? done(true)
                 : performance.now() > end ? done(false) : setTimeout(look, 20); look(); }})"
        ));
        if held != true {
            let text = self.value("document.body.innerText");
            panic!("`{expression}` does not hold; the page says:\n{text}");
        }
    }

    /// Presses a key and lets it go.
    pub fn key(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, Some("\r")),
            "Tab" => (9, None),
            "Escape" => (27, None),
            "ArrowLeft" => (37, None),
            "ArrowUp" => (38, None),
            "ArrowRight" => (39, None),
            "ArrowDown" => (40, None),
            "Home" => (36, None),
            "End" => (35, None),
            other => panic!("`{other}` is no key of these tests"),
        };
        let mut press = json!({"type": "keyDown", "key": key, "code": key,
            "windowsVirtualKeyCode": code, "nativeVirtualKeyCode": code});
        if let Some(text) = text {
            press["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", press.clone());
        press["type"] = "keyUp".into();
        self.call("Input.dispatchKeyEvent", press);
    }

    /// Clicks the middle of the first element that a selector selects.
    ///
    /// # Panics
    /// When there is none.
    pub fn click(&mut self, selector: &str) {
        let at = self.value(&format!(
            "(() => {{ const it = document.querySelector({}); if (!it) return null;
               it.scrollIntoView({{block: 'center'}}); const box = it.getBoundingClientRect();
               return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        ));
        assert!(at.is_array(), "nothing is selected by `{selector}`");
        for kind in ["mousePressed", "mouseReleased"] {
            let mouse = json!({"type": kind, "x": at[0], "y": at[1], "button": "left",
                "clickCount": 1});
            self.call("Input.dispatchMouseEvent", mouse);
        }
    }

    /// Prefers light or dark from now on.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// The size of the window in pixels from now on.
    pub fn size(&mut self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Keeps a picture of the whole page, and says where.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn screenshot(&mut self, folder: &Path, name: &str) -> PathBuf {
        let shot = self.call(
            "Page.captureScreenshot",
            json!({"format": "png", "captureBeyondViewport": true}),
        );
        let png = STANDARD.decode(shot["data"].as_str().unwrap_or_default());
        let path = folder.join(format!("{name}.png"));
        std::fs::write(&path, png.expect("base64")).expect("it is written");
        path
    }

    /// Where everything that was loaded came from, and what went wrong meanwhile: exceptions, and
    /// what the console or the policy complains of.
    pub fn happened(&mut self) -> (Vec<String>, Vec<String>) {
        // Everything said before this answer is there after it.
        self.value("0");
        let (mut loaded, mut wrong) = (Vec::new(), Vec::new());
        for event in self.events.drain(..) {
            let parameters = &event["params"];
            match event["method"].as_str() {
                Some("Network.requestWillBeSent") => {
                    let url = parameters["request"]["url"].as_str();
                    loaded.push(url.unwrap_or_default().to_owned());
                }
                Some("Runtime.exceptionThrown") => wrong.push(parameters.to_string()),
                Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                    wrong.push(parameters["entry"].to_string());
                }
                _ => {}
            }
        }
        (loaded, wrong)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // At the end of its commands it ends by itself, with all its processes.
        self.commands = None;
        let _ = self.child.wait();
    }
}
