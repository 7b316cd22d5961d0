//! Credentials as docker and podman keep them: files, and helpers that are asked.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// What a registry is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// A user and a password or access token.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token of the registry's token service.
    IdentityToken(Secret),
}

/// Where credentials come from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CredentialSource {
    /// Nowhere.
    Anonymous,
    /// These, for the registry connected to.
    Given(Credentials),
    /// The first of these files that knows the registry.
    Files(Vec<PathBuf>),
}

/// Why stored credentials cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// An unreadable file.
    #[error("cannot read the credential file `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file of another form.
    #[error("the credential file `{path}` is not usable: {reason}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the content.
        reason: String,
    },
    /// A helper that failed.
    #[error("the credential helper `{program}` failed for `{registry}`: {reason}")]
    Helper {
        /// The program.
        program: String,
        /// For which registry.
        registry: String,
        /// What is wrong, without what it printed on standard output.
        reason: String,
    },
}

const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

impl CredentialSource {
    /// The files that docker and podman would look into, in podman's order: a login of either
    /// is found.
    #[must_use]
    pub fn from_env() -> Self {
        Self::Files(files(|name| std::env::var_os(name).map(PathBuf::from)))
    }

    /// The credentials for an image's repository, `HOST/NAME`.
    pub(crate) async fn find(
        &self,
        host: &str,
        repository: &str,
    ) -> Result<Option<Credentials>, CredentialError> {
        let files = match self {
            Self::Anonymous => return Ok(None),
            Self::Given(credentials) => return Ok(Some(credentials.clone())),
            Self::Files(files) => files,
        };
        for path in files {
            let text = match std::fs::read(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => {
                    return Err(CredentialError::Read {
                        path: path.clone(),
                        source,
                    });
                }
            };
            // The parser's message could quote the content; only the place is told.
            let file: Value =
                serde_json::from_slice(&text).map_err(|error| CredentialError::Form {
                    path: path.clone(),
                    reason: format!(
                        "not JSON at line {}, column {}",
                        error.line(),
                        error.column()
                    ),
                })?;
            if let Some(found) = from_file(&file, path, host, repository).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn files(env: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    if let Some(file) = env("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    let home = env("HOME");
    let under = |folder: Option<PathBuf>, rest: &str| folder.map(|folder| folder.join(rest));
    let config = env("XDG_CONFIG_HOME").or_else(|| under(home.clone(), ".config"));
    let docker = env("DOCKER_CONFIG").or_else(|| under(home, ".docker"));
    [
        under(env("XDG_RUNTIME_DIR"), "containers/auth.json"),
        under(config, "containers/auth.json"),
        under(docker, "config.json"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn from_file(
    file: &Value,
    path: &Path,
    host: &str,
    repository: &str,
) -> Result<Option<Credentials>, CredentialError> {
    // Docker Hub is stored under the address of its first version.
    let server = if host == "index.docker.io" {
        "https://index.docker.io/v1/"
    } else {
        host
    };
    let helper = [host, server]
        .iter()
        .find_map(|key| file["credHelpers"][*key].as_str());
    if let Some(helper) = helper {
        return ask(helper, server).await;
    }
    for key in keys(host, server, repository) {
        let entry = &file["auths"][key.as_str()];
        let form = |reason: &str| CredentialError::Form {
            path: path.to_owned(),
            reason: format!("the entry `{key}` {reason}"),
        };
        if let Some(token) = entry["identitytoken"]
            .as_str()
            .filter(|token| !token.is_empty())
        {
            return Ok(Some(Credentials::IdentityToken(Secret::new(token))));
        }
        if let Some(auth) = entry["auth"].as_str().filter(|auth| !auth.is_empty()) {
            let bytes = STANDARD.decode(auth).map_err(|_| form("is not base64"))?;
            let text = String::from_utf8(bytes).map_err(|_| form("is not UTF-8"))?;
            let (user, password) = text
                .split_once(':')
                .ok_or_else(|| form("has no `:` between user and password"))?;
            // Docker writes a trailing zero byte on some systems.
            let password = Secret::new(password.trim_end_matches('\0'));
            return Ok(Some(Credentials::Basic {
                user: user.to_owned(),
                password,
            }));
        }
    }
    match file["credsStore"].as_str() {
        Some(helper) if !helper.is_empty() => ask(helper, server).await,
        _ => Ok(None),
    }
}

/// Keys under which an entry may be stored, the most specific first.
fn keys(host: &str, server: &str, repository: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut name = format!("{host}/{repository}");
    while let Some((outer, _)) = name.rsplit_once('/') {
        keys.push(name.clone());
        name = outer.to_owned();
    }
    keys.extend([
        host.to_owned(),
        server.to_owned(),
        format!("https://{host}"),
        format!("https://{host}/v1/"),
        format!("https://{host}/v2/"),
    ]);
    if host == "index.docker.io" {
        keys.push("docker.io".to_owned());
    }
    keys
}

/// Asks `docker-credential-NAME get`, which prints JSON.
async fn ask(helper: &str, server: &str) -> Result<Option<Credentials>, CredentialError> {
    let program = format!("docker-credential-{helper}");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !helper.chars().all(plain) {
        let reason = "its name is not a program's".to_owned();
        return Err(CredentialError::Helper {
            program,
            registry: server.to_owned(),
            reason,
        });
    }
    let mut command = Command::new(&program);
    command.arg("get");
    answer(command, &program, server).await
}

/// Runs a helper: the server on its standard input, JSON on its standard output.
async fn answer(
    mut command: Command,
    program: &str,
    server: &str,
) -> Result<Option<Credentials>, CredentialError> {
    let failed = |reason: String| CredentialError::Helper {
        program: program.to_owned(),
        registry: server.to_owned(),
        reason,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("{error}; is it installed and in PATH?")))?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that does not read its input answers all the same.
        let _ = input.write_all(server.as_bytes()).await;
    }
    let output = tokio::time::timeout(HELPER_TIMEOUT, child.wait_with_output())
        .await
        .map_err(|_| failed(format!("no answer within {HELPER_TIMEOUT:?}")))?
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        // The protocol's way to say that there is nothing; other words are not shown, since a
        // helper may print anything.
        if output
            .stdout
            .trim_ascii()
            .starts_with(b"credentials not found")
        {
            return Ok(None);
        }
        return Err(failed(output.status.to_string()));
    }
    let answer: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed("its answer is not JSON".to_owned()))?;
    let (Some(user), Some(secret)) = (answer["Username"].as_str(), answer["Secret"].as_str())
    else {
        return Err(failed("its answer has no Username and Secret".to_owned()));
    };
    Ok(Some(if user == "<token>" {
        Credentials::IdentityToken(Secret::new(secret))
    } else {
        Credentials::Basic {
            user: user.to_owned(),
            password: Secret::new(secret),
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(
        file: Value,
        host: &str,
        repository: &str,
    ) -> Result<Option<Credentials>, CredentialError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(from_file(&file, Path::new("config.json"), host, repository))
    }

    fn basic(user: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Basic {
            user: user.into(),
            password: Secret::new(password),
        })
    }

    #[test]
    fn the_most_specific_entry_wins() {
        let entry = |text: &str| serde_json::json!({"auth": STANDARD.encode(text)});
        let file = serde_json::json!({"auths": {
            "r.example": entry("all:1"), "r.example/team": entry("team:2"), "https://old.example/v1/": entry("old:a:b"),
        }});
        assert_eq!(
            find(file.clone(), "r.example", "team/app").expect("reads"),
            basic("team", "2")
        );
        assert_eq!(
            find(file.clone(), "r.example", "teams/app").expect("reads"),
            basic("all", "1")
        );
        assert_eq!(
            find(file.clone(), "old.example", "x").expect("reads"),
            basic("old", "a:b")
        );
        assert_eq!(find(file, "example", "x").expect("reads"), None);
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_named_without_its_content() {
        let file = serde_json::json!({"auths": {"r.example": {"auth": "hunter2!"}}});
        let error = find(file, "r.example", "x")
            .expect_err("no base64")
            .to_string();
        assert!(
            error.contains("`r.example` is not base64") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        let text = format!("{:?}", basic("me", "hunter2"));
        assert!(text.contains("me") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_helper_that_is_missing_or_no_program_is_an_error() {
        for helper in ["surely-not-installed", "../../bin/sh"] {
            let file = serde_json::json!({"credHelpers": {"r.example": helper}});
            assert!(matches!(
                find(file, "r.example", "x"),
                Err(CredentialError::Helper { .. })
            ));
        }
    }

    #[test]
    fn a_helper_is_told_the_server_and_its_answers_are_told_apart() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let check = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            runtime.block_on(answer(command, "docker-credential-x", "r.example"))
        };
        let echo = r#"read server; printf '{"Username":"%s","Secret":"s3"}' "$server""#;
        assert_eq!(check(echo).expect("answers"), basic("r.example", "s3"));
        let token = check(r#"echo '{"Username":"<token>","Secret":"t"}'"#).expect("answers");
        assert_eq!(token, Some(Credentials::IdentityToken(Secret::new("t"))));
        assert_eq!(
            check("echo credentials not found in native keychain; exit 1").expect("none"),
            None
        );
        for bad in [
            "exit 3",
            "echo s3cret",
            r#"echo '{"Secret":"s3cret"}'"#,
            "echo s3cret; exit 1",
        ] {
            let error = check(bad).expect_err("refused").to_string();
            assert!(
                error.contains("docker-credential-x") && !error.contains("s3cret"),
                "{error}"
            );
        }
    }

    #[test]
    fn files_are_those_of_podman_then_docker() {
        let env = |name: &str| match name {
            "HOME" => Some(PathBuf::from("/h")),
            "XDG_RUNTIME_DIR" => Some(PathBuf::from("/run/1")),
            _ => None,
        };
        let expected = [
            "/run/1/containers/auth.json",
            "/h/.config/containers/auth.json",
            "/h/.docker/config.json",
        ];
        assert_eq!(files(env), expected.map(PathBuf::from));
    }
}
