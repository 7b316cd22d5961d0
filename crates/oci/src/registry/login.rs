//! Logging in: from a challenge to the `Authorization` header that answers it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::challenge::{self, Challenge};
use super::transport::{Call, MAX_ANSWER, authority, header};
use super::{Credentials, Registry, RegistryError, Secret};
use crate::inspect::clean;

impl Registry {
    /// Answers a challenge by finding out which `Authorization` header to send.
    pub(super) async fn log_in(
        &self,
        response: &Response,
        call: &Call<'_>,
    ) -> Result<(), RegistryError> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE);
        let parsed = challenge::parse(headers.iter().filter_map(|value| value.to_str().ok()))
            .map_err(|reason| RegistryError::Challenge {
                host: self.host.clone(),
                reason: clean(&reason),
            })?;
        match parsed {
            Challenge::Basic => match &self.credentials {
                Some(Credentials::Basic { user, password }) => {
                    self.remember(call.scope, basic(user, password));
                    Ok(())
                }
                _ => Err(RegistryError::Unauthorized {
                    host: self.host.clone(),
                    what: call.what.to_owned(),
                    tried: false,
                }),
            },
            Challenge::Bearer {
                realm,
                service,
                scope,
            } => {
                let token = self
                    .token(&realm, service.as_deref(), scope.as_deref(), call)
                    .await?;
                self.remember(call.scope, format!("Bearer {token}"));
                Ok(())
            }
        }
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        asked: Option<&str>,
        call: &Call<'_>,
    ) -> Result<String, RegistryError> {
        let host = || self.host.clone();
        let bad = |reason: String| RegistryError::Token {
            host: host(),
            reason,
        };
        let mut url = Url::parse(realm).map_err(|_| bad("the realm is no address".to_owned()))?;
        let plain_is_fine = self.base.scheme() == "http" && super::is_loopback(&authority(&url));
        if url.scheme() != "https" && !(url.scheme() == "http" && plain_is_fine) {
            return Err(RegistryError::PlainRealm {
                host: host(),
                realm: authority(&url),
            });
        }
        // Without credentials too: the token asked for would be shown to the registry alone,
        // but a stranger's address is no place to be sent to.
        if !challenge::trusted(&self.host, &url, &self.options.token_hosts) {
            return Err(RegistryError::ForeignRealm {
                host: host(),
                realm: authority(&url),
            });
        }
        let scope = asked
            .filter(|_| call.scope.is_empty())
            .unwrap_or(call.scope);
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        pairs.extend(service.map(|service| ("service", service)));
        let request = if let Some(Credentials::IdentityToken(token)) = &self.credentials {
            pairs.extend([
                ("scope", scope),
                ("grant_type", "refresh_token"),
                ("client_id", "gatewright"),
                ("refresh_token", token.reveal()),
            ]);
            let form = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(pairs)
                .finish();
            self.http
                .post(url.clone())
                .header(
                    reqwest::header::CONTENT_TYPE,
                    "application/x-www-form-urlencoded",
                )
                .body(form)
        } else {
            // Each scope is a parameter of its own.
            pairs.extend(
                scope
                    .split(' ')
                    .filter(|scope| !scope.is_empty())
                    .map(|scope| ("scope", scope)),
            );
            url.query_pairs_mut().extend_pairs(pairs);
            let request = self.http.get(url.clone());
            match &self.credentials {
                Some(Credentials::Basic { user, password }) => {
                    request.header(AUTHORIZATION, header(&Secret::new(basic(user, password)))?)
                }
                _ => request,
            }
        };
        let what = "getting a token";
        let response = request
            .send()
            .await
            .map_err(|error| self.failed(&url, what, &error))?;
        match response.status() {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED => {
                let tried = self.credentials.is_some();
                return Err(RegistryError::Unauthorized {
                    host: authority(&url),
                    what: what.to_owned(),
                    tried,
                });
            }
            _ => return Err(self.refused(&url, response, what).await),
        }
        let body = self
            .read(
                response,
                "the token's answer",
                None,
                MAX_ANSWER,
                &mut |_| {},
            )
            .await?;
        // The answer holds a secret: what is wrong with it is told, not what is in it.
        let answer: Value =
            serde_json::from_slice(&body).map_err(|_| bad("the answer is not JSON".to_owned()))?;
        ["token", "access_token"]
            .iter()
            .find_map(|key| answer[*key].as_str())
            .filter(|token| !token.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| bad("the answer has neither `token` nor `access_token`".to_owned()))
    }
}

fn basic(user: &str, password: &Secret) -> String {
    format!(
        "Basic {}",
        STANDARD.encode(format!("{user}:{}", password.reveal()))
    )
}
