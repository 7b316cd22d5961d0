//! `gatewright.yaml`: what a cluster would know and manifests do not say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::exit::Usage;

/// The name under which it is looked for beside the manifests.
pub(crate) const FILE: &str = "gatewright.yaml";

/// Its content. Every key may be left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Settings {
    /// What stands for an image, by its reference in the manifests.
    pub(crate) images: BTreeMap<String, ImageAt>,
    /// Where Services are, by `name` in the namespace `default` or by `namespace/name`.
    pub(crate) services: BTreeMap<String, ServiceAt>,
    /// What stands for Google APIs that extensions call, by `googleAPIServiceName`.
    pub(crate) google_apis: BTreeMap<String, ServiceAt>,
    /// Gateways that the manifests leave out, and their classes.
    pub(crate) gateways: BTreeMap<String, String>,
    /// What stands for placeholders.
    pub(crate) substitute: BTreeMap<String, String>,
    /// The local port of a listener's port, by `443` or `external-http/443`; 0 for any free one.
    pub(crate) ports: BTreeMap<String, u16>,
    /// The folder that paths are relative to.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// What stands for an image.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ImageAt {
    /// A plugin of the workspace around, built whenever it is needed.
    Build(String),
    /// A module.
    Wasm(PathBuf),
    /// An image layout, as a folder or a tar.
    Layout(PathBuf),
    /// A configuration.
    Config(PathBuf),
    /// An image in a registry that the field in the manifest cannot name, such as one on this
    /// machine. It is asked for with `--pull` only.
    Registry(String),
}

/// Where a Service is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ServiceAt {
    /// It listens here, as `127.0.0.1:8080`.
    Address(String),
    /// The same without TLS, whatever the manifest says: for callouts.
    Plaintext(String),
    /// One of our own callouts, by its name.
    Callout(String),
    /// This program is it. It is told in `PORT` where to listen.
    Command(Vec<String>),
    /// The built-in store.
    Store,
}

impl Settings {
    /// Reads a file that the user named, or the one that lies beside the manifests, if there is one.
    pub(crate) fn find(named: Option<&Path>, manifests: &[PathBuf]) -> Result<Self, Usage> {
        let found = match named {
            Some(path) => Some(path.to_path_buf()),
            None => manifests.iter().find_map(|path| {
                let folder = if path.is_dir() {
                    Some(path.as_path())
                } else {
                    path.parent()
                };
                folder
                    .map(|folder| folder.join(FILE))
                    .filter(|file| file.is_file())
            }),
        };
        found.map_or_else(|| Ok(Self::default()), |path| Self::read(&path))
    }

    fn read(path: &Path) -> Result<Self, Usage> {
        let wrong = |error: String| Usage(format!("`{}`: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let mut settings = Self::parse(&text).map_err(wrong)?;
        settings.folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Ok(settings)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let settings: Option<Self> =
            serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        let settings = settings.unwrap_or_default();
        for key in settings.ports.keys() {
            port_key(key)?;
        }
        Ok(settings)
    }
}

/// The Gateway, if one is named, and the listener's port.
pub(crate) fn port_key(text: &str) -> Result<(Option<String>, u16), String> {
    let (gateway, port) = match text.rsplit_once('/') {
        Some((gateway, port)) => (Some(gateway.to_owned()), port),
        None => (None, text),
    };
    let port = port
        .parse()
        .map_err(|_| format!("`{text}` is no port; write `443` or `external-http/443`"))?;
    Ok((gateway, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let settings = Settings::parse(
            "
images:
  us-docker.pkg.dev/p/r/a:v1: {build: local-reply}
  us-docker.pkg.dev/p/r/b:v1: {layout: b.tar}
  us-docker.pkg.dev/p/r/c:v1: {registry: 'localhost:5000/c:v1'}
services:
  store-v1: {address: '127.0.0.1:8080'}
  shop/store-v2: {command: [python3, app.py]}
  store-german: store
  extension-service: {plaintext: 'localhost:8080'}
  other: {callout: basic}
google-apis:
  modelarmor.us-central1.rep.googleapis.com: {callout: add-header}
gateways: {external-http: gke-l7-global-external-managed}
substitute: {GATEWAY_NAME: external-http}
ports: {443: 9443, external-http/80: 0}
",
        )
        .expect("it reads");
        assert_eq!(settings.images.len(), 3);
        assert_eq!(settings.services["store-german"], ServiceAt::Store);
        assert_eq!(
            settings.images["us-docker.pkg.dev/p/r/a:v1"],
            ImageAt::Build("local-reply".to_owned())
        );
        assert_eq!(settings.ports["443"], 9443);
        let callout = |name: &str| ServiceAt::Callout(name.to_owned());
        assert_eq!(settings.services["other"], callout("basic"));
        let api = "modelarmor.us-central1.rep.googleapis.com";
        assert_eq!(settings.google_apis[api], callout("add-header"));
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert!(Settings::parse("").is_ok_and(|settings| settings.images.is_empty()));
        assert!(Settings::parse("# nothing yet\n").is_ok());
    }

    #[test]
    fn what_is_misspelt_is_told() {
        let check = |text: &str, part: &str| {
            let error = Settings::parse(text).expect_err(text);
            assert!(error.contains(part), "`{part}` is not in: {error}");
        };
        check("image: {}", "image");
        check("services: {a: {adress: x}}", "adress");
        check("ports: {https: 1}", "`https` is no port");
    }
}
