//! Services as the settings have them: addresses, the built-in store, our own callouts, and programs
//! to start.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gatewright_gateway as gateway;

use super::callouts::Callouts;
use super::settings::ServiceAt;

/// How long a program may take until it listens.
const START: Duration = Duration::from_secs(10);
/// How often it is asked whether it does.
const ASK: Duration = Duration::from_millis(20);

/// Programs that were started, by the Service that they are. They end with this, and with the thread
/// that starts them.
#[derive(Default)]
pub(crate) struct Programs(BTreeMap<String, Program>);

struct Program {
    command: Vec<String>,
    child: Child,
    address: SocketAddr,
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Programs {
    /// Where Services are. Programs that are not running yet are started, and those that are not
    /// named any more are ended.
    pub(crate) fn resolve(
        &mut self,
        settings: &BTreeMap<String, ServiceAt>,
        folder: &Path,
        callouts: &mut Callouts,
    ) -> BTreeMap<String, gateway::ServiceAt> {
        self.0.retain(|name, program| {
            settings.iter().any(|(key, at)| {
                full(key) == *name
                    && matches!(at, ServiceAt::Command(command) if *command == program.command)
            })
        });
        let mut resolved = BTreeMap::new();
        for (key, at) in settings {
            let name = full(key);
            let at = match at {
                ServiceAt::Store => gateway::ServiceAt::Store,
                ServiceAt::Address(text) => address(text)
                    .map_or_else(gateway::ServiceAt::Nowhere, gateway::ServiceAt::Address),
                ServiceAt::Plaintext(text) => address(text)
                    .map_or_else(gateway::ServiceAt::Nowhere, gateway::ServiceAt::Plaintext),
                ServiceAt::Callout(sample) => callouts.find(&name, sample),
                ServiceAt::Command(command) => match self.start(&name, command, folder) {
                    Ok(address) => gateway::ServiceAt::Address(address),
                    Err(error) => gateway::ServiceAt::Nowhere(error),
                },
            };
            resolved.insert(name, at);
        }
        resolved
    }

    fn start(
        &mut self,
        name: &str,
        command: &[String],
        folder: &Path,
    ) -> Result<SocketAddr, String> {
        if let Some(program) = self.0.get_mut(name) {
            // One that ended is started again.
            if matches!(program.child.try_wait(), Ok(None)) {
                return Ok(program.address);
            }
            self.0.remove(name);
        }
        let (program, arguments) = command
            .split_first()
            .ok_or("its `command` names no program")?;
        // Somebody else may take the port before the program does, which it will say.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|socket| socket.local_addr())
            .map_err(|error| format!("no port is free: {error}"))?;
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let mut start = Command::new(program);
        super::bound::bind(&mut start);
        let mut child = start
            .args(arguments)
            .current_dir(folder)
            .env("PORT", address.port().to_string())
            .stdin(Stdio::null())
            // Standard output is for log entries.
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start `{program}`: {error}"))?;
        let begun = Instant::now();
        loop {
            if TcpStream::connect(address).is_ok() {
                break;
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("`{program}` ended, {status}, before it listened"));
            }
            if begun.elapsed() > START {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!(
                    "`{program}` does not listen at {address}, the port in `PORT`"
                ));
            }
            std::thread::sleep(ASK);
        }
        let program = Program {
            command: command.to_vec(),
            child,
            address,
        };
        self.0.insert(name.to_owned(), program);
        Ok(address)
    }
}

/// The name with its namespace. Names of APIs have dots and none.
pub(crate) fn full(name: &str) -> String {
    match name.contains('/') || name.ends_with(".googleapis.com") {
        true => name.to_owned(),
        false => format!("default/{name}"),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    match text.to_socket_addrs().map(|mut all| all.next()) {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(format!("`{text}` has no address")),
        Err(error) => Err(format!(
            "`{text}` is no address such as `127.0.0.1:8080`: {error}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn names_without_a_namespace_are_of_the_default_one() {
        let settings = BTreeMap::from([
            ("a".to_owned(), ServiceAt::Address("127.0.0.1:1".to_owned())),
            ("shop/b".to_owned(), ServiceAt::Store),
            (
                "c".to_owned(),
                ServiceAt::Command(vec!["/no/such/program".to_owned()]),
            ),
        ]);
        let resolved = Programs::default().resolve(
            &settings,
            Path::new(""),
            &mut Callouts::new(Arc::new(gateway::Authority::generate().expect("one"))),
        );
        let address = gateway::ServiceAt::Address(SocketAddr::from(([127, 0, 0, 1], 1)));
        assert_eq!(resolved["default/a"], address);
        assert_eq!(resolved["shop/b"], gateway::ServiceAt::Store);
        assert!(matches!(
            &resolved["default/c"],
            gateway::ServiceAt::Nowhere(why) if why.contains("/no/such/program")
        ));
    }
}
