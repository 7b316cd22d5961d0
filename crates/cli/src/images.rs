//! What the commands for images share: references, layouts, access to registries, the checks of
//! a module, and whose fault an error is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use gatewright_host::{self as module, ModuleCheck, ModuleFindingKind, Profile, check_module};
use gatewright_oci::layout::{self, LayoutError};
use gatewright_oci::registry::{Options, Progress};
use gatewright_oci::sign::SignError;
use gatewright_oci::{
    Finding, Image, Inspection, Limits, PLUGIN_FILE, Reference, Registry, RegistryError, Severity,
    inspect,
};

use crate::exit::{Refused, Usage};

/// More than any configuration that production takes: module and configuration together may have
/// 5 MiB.
pub(crate) const CONFIG_LIMIT: u64 = gatewright_oci::SIZE_LIMIT;

/// How a registry is reached. Credentials are those of docker, podman and their helpers.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Access {
    /// Plain HTTP instead of TLS, for a registry on this machine only
    #[arg(long, help_heading = "Registry")]
    plain_http: bool,
    /// Certificates, as PEM, to trust beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Registry")]
    ca_file: Option<PathBuf>,
    /// Host of a token service to send credentials to, beside the registry's own
    #[arg(long = "token-host", value_name = "HOST", help_heading = "Registry")]
    token_hosts: Vec<String>,
}

impl Access {
    /// Prepares for the repository of a reference.
    pub(crate) async fn connect(
        &self,
        reference: &Reference,
        progress: Arc<dyn Progress>,
        chunk: Option<usize>,
    ) -> anyhow::Result<Registry> {
        let options = Options {
            plain_http: self.plain_http,
            ca_file: self.ca_file.clone(),
            token_hosts: self.token_hosts.clone(),
            progress,
            chunk,
            ..Options::default()
        };
        Registry::new(reference, options)
            .await
            .map_err(registry_error)
    }
}

/// Runs what talks to a registry.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(work)
}

/// Reads a reference. The registry is never guessed: what is left out would be Docker Hub.
pub(crate) fn reference(text: &str) -> Result<Reference, Usage> {
    const EXPECTED: &str = "expected HOST/NAME:TAG or HOST/NAME@sha256:DIGEST, such as \
        us-docker.pkg.dev/my-project/plugins/local-reply:v1";
    if !names_a_host(text) {
        return Err(Usage(format!("`{text}` names no registry; {EXPECTED}")));
    }
    text.parse().map_err(|error| {
        Usage(format!(
            "`{text}` is not an image reference: {error}; {EXPECTED}"
        ))
    })
}

fn names_a_host(text: &str) -> bool {
    text.split_once('/').is_some_and(|(host, _)| {
        host == "localhost" || (!host.starts_with('.') && host.contains(['.', ':']))
    })
}

/// Where an image is: at a path if something lies there or the text looks like one.
pub(crate) enum Place {
    /// A layout.
    Path(PathBuf),
    /// In a registry.
    Registry(Box<Reference>),
}

impl Place {
    /// Reads a path or a reference.
    pub(crate) fn parse(text: &str) -> Result<Self, Usage> {
        let path = Path::new(text);
        if path.exists() || !names_a_host(text) {
            return Ok(Self::Path(path.to_owned()));
        }
        Ok(Self::Registry(Box::new(reference(text)?)))
    }
}

/// Reads the image of a layout.
pub(crate) fn read_layout(path: &Path) -> anyhow::Result<Image> {
    layout::read(path, &Limits::default()).map_err(|error| match &error {
        LayoutError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Usage(format!(
                "`{}` does not exist; `gatewright pack` makes an image, and one in a registry \
                 is named HOST/NAME:TAG",
                path.display()
            ))
            .into()
        }
        _ => layout_error(error),
    })
}

/// Writes an image as a layout.
pub(crate) fn write_layout(image: &Image, path: &Path) -> anyhow::Result<()> {
    layout::write(image, None, path).map_err(layout_error)
}

/// Looks at an image, with what the checks of the module say.
pub(crate) fn look(image: &Image) -> Inspection {
    let limits = Limits::default();
    let findings = match image.content(&limits) {
        Ok(content) if content.name == PLUGIN_FILE => checks(&content.bytes),
        _ => Vec::new(),
    };
    inspect(image, &limits, &findings)
}

/// The image if production would take it, as far as can be seen without running it.
pub(crate) fn expect_usable(image: &Image, place: &str) -> anyhow::Result<()> {
    let found = look(image);
    if found.passes() {
        return Ok(());
    }
    let errors: Vec<_> = found
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| format!("\n  {finding}"))
        .collect();
    Err(Refused(format!(
        "the load balancer would refuse the image in `{place}`:{}",
        errors.concat()
    ))
    .into())
}

/// What the checks of a module say, without running it. Its size is checked with the image's.
pub(crate) fn checks(wasm: &[u8]) -> Vec<Finding> {
    as_findings(&check_module(wasm, Profile::Google, 0))
}

/// The findings of a module's check as those of an image. Its size is checked with the image's.
pub(crate) fn as_findings(check: &ModuleCheck) -> Vec<Finding> {
    let findings = check.findings.iter();
    findings
        .filter(|finding| finding.kind != ModuleFindingKind::TooLarge)
        .map(|finding| {
            let severity = match finding.severity {
                module::Severity::Note => Severity::Note,
                module::Severity::Warning => Severity::Warning,
                module::Severity::Error => Severity::Error,
            };
            let text = format!("{}; {}", finding.message, finding.fix);
            Finding::new(severity, finding.kind.code(), text)
        })
        .collect()
}

/// Reads a file that the user named, up to a limit and one byte, which shows that it is larger.
pub(crate) fn read_file(path: &Path, limit: u64) -> anyhow::Result<Vec<u8>> {
    use std::io::Read as _;
    let cannot = |error: &std::io::Error| format!("cannot read `{}`: {error}", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(|error| Usage(cannot(&error)))?;
    Ok(bytes)
}

/// Reads a small text file that the user named, such as a key.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    const LIMIT: u64 = 8 << 20;
    let bytes = read_file(path, LIMIT)?;
    if bytes.len() as u64 > LIMIT {
        let path = path.display();
        return Err(Usage(format!("`{path}` has more than {LIMIT} bytes")).into());
    }
    String::from_utf8(bytes).map_err(|_| Usage(format!("`{}` is not text", path.display())).into())
}

/// Whose fault an error of a registry is.
pub(crate) fn registry_error(error: RegistryError) -> anyhow::Error {
    match &error {
        RegistryError::PlainHttp { .. }
        | RegistryError::Host { .. }
        | RegistryError::CaFile { .. }
        | RegistryError::NotFound { .. }
        | RegistryError::ForeignRealm { .. }
        | RegistryError::Pinned { .. } => Usage(whole(error)).into(),
        RegistryError::Image(_) => Refused(whole(error)).into(),
        _ => error.into(),
    }
}

/// Whose fault an error of a signature is.
pub(crate) fn sign_error(error: SignError) -> anyhow::Error {
    match error {
        SignError::Registry(error) => registry_error(error),
        SignError::PasswordNeeded => Usage(format!("{error}: set COSIGN_PASSWORD")).into(),
        SignError::Key { .. } | SignError::Password => Usage(whole(error)).into(),
        SignError::Unsigned { .. } | SignError::Bad { .. } => Refused(whole(error)).into(),
        _ => error.into(),
    }
}

fn layout_error(error: LayoutError) -> anyhow::Error {
    match &error {
        LayoutError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Usage(whole(error)).into()
        }
        LayoutError::Io { .. } => error.into(),
        LayoutError::Occupied { .. }
        | LayoutError::NotALayout { .. }
        | LayoutError::Version { .. }
        | LayoutError::Tar { .. } => Usage(whole(error)).into(),
        _ => Refused(whole(error)).into(),
    }
}

/// An error with its causes, in one line.
fn whole(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_its_registry() {
        for good in [
            "localhost/a",
            "localhost:5000/a:1",
            "us-docker.pkg.dev/p/r/a",
        ] {
            assert!(reference(good).is_ok(), "{good}");
        }
        for bad in ["a", "library/a", "./a.tar", "../a", "a.b/Upper", "a.b/", ""] {
            assert!(reference(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_module_that_starts_with_too_much_memory_is_found() {
        let module = |pages: u32| {
            wat::parse_str(format!(
                r#"(module (memory (export "memory") {pages})
                    (func (export "proxy_abi_version_0_2_1"))
                    (func (export "malloc") (param i32) (result i32) i32.const 0))"#
            ))
            .expect("valid text")
        };
        let errors = |pages: u32| -> Vec<_> {
            let found = checks(&module(pages)).into_iter();
            found
                .filter(|finding| finding.severity == Severity::Error)
                .map(|finding| finding.code)
                .collect()
        };
        assert_eq!(errors(256), [""; 0]);
        assert_eq!(errors(257), ["Memory"]);
    }
}
