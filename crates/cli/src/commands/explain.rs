//! `gatewright explain`: why a request goes where it goes.

use gatewright_gke::{Backend, Client, GatewayPlan, Report, Request, check};

use crate::exit::{Outcome, Usage};
use crate::manifests::Manifests;

/// Say which route, chain, extension and plugin version serve a request, and why not others.
///
/// A routing extension may make another request of it, and the route is found with that one. What
/// the documentation's sample callout makes of a request is known; for others `--rerouted` says it.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    gatewright explain manifests/ --request 'GET https://store.example.com/serviceextensions' \\\n    \
    -H 'env: canary'\n  \
    gatewright explain manifests/ --request http://store.example.com/a --rerouted http://other.example.com/")]
pub(crate) struct Arguments {
    #[command(flatten)]
    manifests: Manifests,
    /// The request, as `GET https://store.example.com/path?query`
    #[arg(long, value_name = "METHOD URL", value_parser = request)]
    request: Line,
    /// A header of it
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// What a routing extension makes of it, in the same form
    #[arg(long, value_name = "METHOD URL", value_parser = request)]
    rerouted: Option<Line>,
    /// Only this Gateway
    #[arg(long, value_name = "NAME")]
    on: Option<String>,
}

/// The parts of a request line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    method: String,
    scheme: String,
    host: String,
    path: String,
    query: String,
}

fn request(text: &str) -> Result<Line, String> {
    let form = "it takes a method and an absolute URL, as `GET https://store.example.com/path`";
    let (method, url) = match text.split_once(' ') {
        Some((method, url)) => (method, url.trim()),
        None => ("GET", text),
    };
    let (scheme, rest) = url.split_once("://").ok_or(form)?;
    if !matches!(scheme, "http" | "https") || rest.contains(' ') {
        return Err(form.to_owned());
    }
    let (host, target) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let host = host.split_once(':').map_or(host, |(host, _port)| host);
    if host.is_empty() {
        return Err(form.to_owned());
    }
    Ok(Line {
        method: method.to_owned(),
        scheme: scheme.to_owned(),
        host: host.to_ascii_lowercase(),
        path: if path.is_empty() {
            "/".to_owned()
        } else {
            path.to_owned()
        },
        query: query.to_owned(),
    })
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("it takes `name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let files = arguments.manifests.read()?;
    let report = check(&files.inputs(), &arguments.manifests.options());
    let headers: Vec<_> = arguments
        .headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let request = arguments.request.with(&headers);
    let mut any = false;
    for gateway in &report.plan.gateways {
        if arguments
            .on
            .as_ref()
            .is_none_or(|name| gateway.gateway.id.name == *name)
        {
            any = true;
            let made = match &arguments.rerouted {
                Some(line) => Some(line.clone()),
                None => rerouted(&report, gateway, &request, &arguments.request),
            };
            let made = made.as_ref().map(|line| line.with(&headers));
            let text = gateway.explain_rerouted(&request, made.as_ref());
            anstream::println!("{}", text.trim_end());
        }
    }
    if !any {
        let what = match &arguments.on {
            Some(name) => format!("no Gateway `{name}` among the manifests"),
            None => "no Gateway among the manifests".to_owned(),
        };
        return Err(Usage(format!("{what}; supply one with `--gateway NAME=CLASS`")).into());
    }
    Ok(Outcome::Fine)
}

impl Line {
    fn with<'a>(&'a self, headers: &'a [(&'a [u8], &'a [u8])]) -> Request<'a> {
        Request {
            method: self.method.as_bytes(),
            scheme: self.scheme.as_bytes(),
            host: self.host.as_bytes(),
            path: self.path.as_bytes(),
            query: self.query.as_bytes(),
            headers,
            client: Client::default(),
        }
    }
}

/// The image of the documentation's callout, and the authority and path that it gives every request.
const SAMPLE: (&str, &str, &str) = (
    "us-docker.pkg.dev/service-extensions-samples/callouts/python-example-basic",
    "service-extensions.com",
    "/",
);

/// What the routing extension makes of a request, if its callout is the documentation's.
fn rerouted(
    report: &Report,
    gateway: &GatewayPlan,
    request: &Request<'_>,
    line: &Line,
) -> Option<Line> {
    let chain = gateway.decide(request).routing_chain()?;
    let namespace = &gateway.routing.as_ref()?.set.id.namespace;
    let (image, host, path) = SAMPLE;
    let is_sample = chain.extensions.iter().any(|extension| {
        let Backend::Service { name, .. } = &extension.backend.value else {
            return false;
        };
        let images = report.model.images(namespace, name);
        images.iter().any(|known| {
            let rest = known.strip_prefix(image);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
        })
    });
    is_sample.then(|| Line {
        host: host.to_owned(),
        path: path.to_owned(),
        query: String::new(),
        ..line.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<[&str; 5]>) {
        let parts = request(text).ok();
        let parts = parts.as_ref().map(|line| {
            [
                &line.method,
                &line.scheme,
                &line.host,
                &line.path,
                &line.query,
            ]
            .map(String::as_str)
        });
        assert_eq!(parts, expected, "{text}");
    }

    #[test]
    fn a_request_line_is_taken_apart() {
        check(
            "GET https://A.example/x?y=1",
            Some(["GET", "https", "a.example", "/x", "y=1"]),
        );
        check(
            "http://a.example:8080",
            Some(["GET", "http", "a.example", "/", ""]),
        );
        check(
            "POST http://a.example?q",
            Some(["POST", "http", "a.example", "/", "q"]),
        );
        check("GET /x", None);
        check("GET ftp://a/x", None);
        check("GET https:///x", None);
    }
}
