//! One question to a registry: with the right credentials, to the right host, within limits.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::{Credentials, Registry, RegistryError, Secret};
use crate::inspect::clean;

/// Redirects that are followed in a row.
const MAX_REDIRECTS: usize = 5;
/// Bytes of an error's or token's answer that are read.
pub(super) const MAX_ANSWER: u64 = 64 << 10;

/// A body that can be made again for a second try.
pub(super) type MakeBody<'a> = &'a (dyn Fn() -> reqwest::Body + Sync);

/// A question.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<MakeBody<'a>>,
    /// What is asked, in words for errors.
    pub(super) what: &'a str,
    /// The token's scope.
    pub(super) scope: &'a str,
}

impl Registry {
    /// Asks once: logs in where asked to, follows redirects of reads, and turns a status that
    /// is no success into an error.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Response, RegistryError> {
        let mut url = call.url.clone();
        let mut logged_in = false;
        let mut redirects = 0;
        loop {
            let ours = same_origin(&url, &self.base);
            let mut request = self
                .http
                .request(call.method.clone(), url.clone())
                .headers(call.headers.clone());
            if let Some(body) = call.body {
                request = request.body(body());
            }
            let known = if ours { self.known(call.scope) } else { None };
            if let Some(value) = &known {
                request = request.header(AUTHORIZATION, header(value)?);
            }
            let response = request
                .send()
                .await
                .map_err(|error| self.failed(&url, call.what, &error))?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED {
                // Another host never gets credentials, and one login that did not help is
                // enough: an old token may have run out, a new one has not.
                if !ours || logged_in {
                    return Err(RegistryError::Unauthorized {
                        host: authority(&url),
                        what: call.what.to_owned(),
                        tried: ours && self.credentials.is_some(),
                    });
                }
                self.log_in(&response, call).await?;
                logged_in = true;
            } else if status.is_redirection() && matches!(call.method, Method::GET | Method::HEAD) {
                redirects += 1;
                if redirects > MAX_REDIRECTS {
                    return Err(RegistryError::RedirectLoop {
                        host: self.host.clone(),
                        what: call.what.to_owned(),
                    });
                }
                url = self.redirected(&url, &response, call.what)?;
            } else if status.is_success() {
                return Ok(response);
            } else {
                return Err(self.refused(&url, response, call.what).await);
            }
        }
    }

    fn redirected(
        &self,
        from: &Url,
        response: &Response,
        what: &str,
    ) -> Result<Url, RegistryError> {
        let problem = |problem| RegistryError::Redirect {
            host: authority(from),
            what: what.to_owned(),
            problem,
        };
        let target = location(from, response).ok_or_else(|| problem("it names none"))?;
        if !target.username().is_empty() || target.password().is_some() {
            return Err(problem("it carries a user or password"));
        }
        match (from.scheme(), target.scheme()) {
            (_, "https") => Ok(target),
            ("http", "http") if super::is_loopback(&authority(&target)) => Ok(target),
            _ => Err(problem("it leaves TLS")),
        }
    }

    fn known(&self, scope: &str) -> Option<Secret> {
        let known = self
            .authorizations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        known.get(scope).cloned()
    }

    pub(super) fn remember(&self, scope: &str, header: String) {
        let mut known = self
            .authorizations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        known.insert(scope.to_owned(), Secret::new(header));
    }

    /// Reads an answer's body: exactly `expected` bytes if that is known, at most `limit`.
    pub(super) async fn read(
        &self,
        mut response: Response,
        what: &str,
        expected: Option<u64>,
        limit: u64,
        note: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Bytes, RegistryError> {
        let announced = response.content_length();
        let url = response.url().clone();
        let too_long = || RegistryError::TooLong {
            what: what.to_owned(),
            limit: expected.unwrap_or(limit),
        };
        let mut body = BytesMut::new();
        loop {
            let got = body.len() as u64;
            match response.chunk().await {
                Ok(None) => match expected {
                    Some(expected) if got < expected => {
                        return Err(RegistryError::Truncated {
                            what: what.to_owned(),
                            got,
                            expected,
                        });
                    }
                    _ => return Ok(body.freeze()),
                },
                Ok(Some(chunk)) => {
                    if got + chunk.len() as u64 > expected.unwrap_or(limit) {
                        return Err(too_long());
                    }
                    body.extend_from_slice(&chunk);
                    note(body.len() as u64);
                }
                Err(error) if error.is_timeout() => return Err(self.failed(&url, what, &error)),
                Err(error) => {
                    return Err(match expected.or(announced) {
                        Some(expected) => RegistryError::Truncated {
                            what: what.to_owned(),
                            got,
                            expected,
                        },
                        None => self.failed(&url, what, &error),
                    });
                }
            }
        }
    }

    pub(super) fn failed(&self, url: &Url, what: &str, error: &reqwest::Error) -> RegistryError {
        let (host, what) = (authority(url), what.to_owned());
        if error.is_timeout() {
            let after = if error.is_connect() {
                self.options.connect_timeout
            } else {
                self.options.read_timeout
            };
            return RegistryError::Timeout { host, what, after };
        }
        // The innermost cause says it; the ones around it name the address, which may hold a
        // signature.
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let reason = clean(&cause.to_string());
        if error.is_connect() {
            RegistryError::Connect { host, reason }
        } else {
            RegistryError::Interrupted { host, what, reason }
        }
    }

    pub(super) async fn refused(&self, url: &Url, response: Response, what: &str) -> RegistryError {
        let status = response.status();
        let (host, what) = (authority(url), what.to_owned());
        let seconds = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let retry_after = seconds.map(Duration::from_secs);
        let detail = match self
            .read(
                response,
                "the error's answer",
                None,
                MAX_ANSWER,
                &mut |_| {},
            )
            .await
        {
            Ok(body) => self.detail(&body),
            Err(_) => String::new(),
        };
        match status {
            StatusCode::FORBIDDEN => RegistryError::Denied { host, what, detail },
            StatusCode::NOT_FOUND => RegistryError::NotFound { host, what, detail },
            StatusCode::TOO_MANY_REQUESTS => RegistryError::RateLimited {
                host,
                what,
                retry_after,
            },
            StatusCode::REQUEST_TIMEOUT => RegistryError::Server {
                host,
                what,
                status: status.as_u16(),
                retry_after,
                detail,
            },
            _ if status.is_server_error() => RegistryError::Server {
                host,
                what,
                status: status.as_u16(),
                retry_after,
                detail,
            },
            _ => RegistryError::Status {
                host,
                what,
                status: status.as_u16(),
                detail,
            },
        }
    }

    /// The registry's own words, short, without control characters and without our secrets,
    /// which a hostile one might read back to us.
    fn detail(&self, body: &[u8]) -> String {
        let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let error = &answer["errors"][0];
        let mut text = [&error["code"], &error["message"]]
            .iter()
            .filter_map(|v| v.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        let mut secrets = Vec::new();
        match &self.credentials {
            Some(Credentials::Basic { user, password }) => {
                secrets.push(password.reveal().to_owned());
                secrets.push(STANDARD.encode(format!("{user}:{}", password.reveal())));
            }
            Some(Credentials::IdentityToken(token)) => secrets.push(token.reveal().to_owned()),
            None => {}
        }
        let known = self
            .authorizations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        secrets.extend(
            known
                .values()
                .filter_map(|value| Some(value.reveal().split_once(' ')?.1.to_owned())),
        );
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "(hidden)");
        }
        let text: String = clean(&text).chars().take(200).collect();
        if text.is_empty() {
            text
        } else {
            format!(": {text}")
        }
    }
}

pub(super) fn header(value: &Secret) -> Result<HeaderValue, RegistryError> {
    let mut header = HeaderValue::from_str(value.reveal()).map_err(|_| RegistryError::Client {
        reason: "the credentials or token hold characters that no header takes".to_owned(),
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The address an answer points at.
pub(super) fn location(from: &Url, response: &Response) -> Option<Url> {
    let text = response.headers().get(LOCATION)?.to_str().ok()?;
    from.join(text).ok().filter(|url| url.has_host())
}

/// Whether credentials for one are for the other: scheme, host and port.
pub(super) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host() == b.host()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// Host and port, which is all of an address that is ever printed.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or("no host");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
