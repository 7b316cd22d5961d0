//! A decision in words, for `gatewright explain`.

use super::{Asked, Decision, ExtensionPlan, GatewayPlan, Request};
use crate::condition::Verdict;
use crate::model::{Backend, Extension};

impl GatewayPlan {
    /// Why a request goes where it goes on this Gateway: one line a step.
    #[must_use]
    pub fn explain(&self, request: &Request<'_>) -> String {
        self.explain_rerouted(request, None)
    }

    /// The same where it is known what the routing extension makes of the request.
    #[must_use]
    pub fn explain_rerouted(&self, request: &Request<'_>, made: Option<&Request<'_>>) -> String {
        let decision = self.decide_rerouted(request, made.unwrap_or(request));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut lines = vec![format!(
            "{} {}://{}{} on Gateway {}/{} ({})",
            text(request.method),
            text(request.scheme),
            text(request.host),
            text(request.path),
            self.gateway.id.namespace,
            self.gateway.id.name,
            self.gateway.class_name.value
        )];
        self.explain_extension(
            "routing",
            self.routing.as_ref(),
            &decision.routing,
            &mut lines,
        );
        let mut host = request.host;
        if decision.routing_chain().is_some() {
            lines.push(match made {
                Some(made) => {
                    host = made.host;
                    format!(
                        "    it makes of the request: {} {}://{}{}",
                        text(made.method),
                        text(made.scheme),
                        text(made.host),
                        text(made.path)
                    )
                }
                None => "    what it makes of the request is not known: what follows is for one \
                         that it leaves as it is"
                    .to_owned(),
            });
        }
        self.explain_route(&decision, &text(host), &mut lines);
        if decision.route.is_some() {
            self.explain_extension(
                "traffic",
                self.traffic.as_ref(),
                &decision.traffic,
                &mut lines,
            );
        }
        for (id, reason) in &self.refused {
            lines.push(format!("  {id} is not programmed: {reason}"));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn explain_route(&self, decision: &Decision<'_>, host: &str, lines: &mut Vec<String>) {
        let Some(choice) = &decision.route else {
            lines.push(format!(
                "  route: none of {} takes the request: 404",
                self.routes.len()
            ));
            for route in &self.routes {
                let hosts = if route.hostnames.is_empty() {
                    "any host".to_owned()
                } else {
                    route.hostnames.join(", ")
                };
                lines.push(format!("    {} has {hosts}; asked for {host}", route.id));
            }
            return;
        };
        let backends: Vec<String> = choice
            .backends
            .iter()
            .map(|backend| {
                let port = backend
                    .port
                    .map_or_else(String::new, |port| format!(":{port}"));
                format!("{}{port} (weight {})", backend.name.value, backend.weight)
            })
            .collect();
        let backends = if backends.is_empty() {
            "no backend".to_owned()
        } else {
            backends.join(", ")
        };
        lines.push(format!(
            "  route: {} rule {} match {} -> {backends}",
            choice.route.id, choice.rule, choice.matched
        ));
    }

    fn explain_extension(
        &self,
        word: &str,
        plan: Option<&ExtensionPlan>,
        asked: &[Asked<'_>],
        lines: &mut Vec<String>,
    ) {
        let Some(plan) = plan else {
            lines.push(format!("  {word} extension: none"));
            return;
        };
        lines.push(format!("  {word} extension: {}", plan.set.id));
        for step in asked {
            let name = &step.chain.name.value;
            let line = match &step.verdict {
                Verdict::Always => format!("chain {name} runs: it has no condition"),
                Verdict::Matched(text) => format!("chain {name} runs: {text}"),
                Verdict::Unmatched(texts) => {
                    format!("chain {name} does not match: {}", texts.join(" || "))
                }
                Verdict::NotEvaluated(texts) => {
                    format!("chain {name} cannot be evaluated: {}", texts.join(" || "))
                }
            };
            lines.push(format!("    {line}"));
            if step.verdict.holds() {
                for extension in &step.chain.extensions {
                    lines.push(format!("      {}", describe(plan, extension)));
                }
            }
        }
        let later = plan.set.chains.len() - asked.len();
        if later > 0 && asked.last().is_some_and(|step| step.verdict.holds()) {
            lines.push(format!(
                "    {later} more not asked: the first chain that matches runs alone"
            ));
        }
    }
}

fn describe(plan: &ExtensionPlan, extension: &Extension) -> String {
    let name = &extension.name.value;
    let target = match &extension.backend.value {
        Backend::Plugin { name } => match plan.plugin(extension) {
            Some((_, version)) => format!(
                "plugin {name} version {} ({})",
                version.name, version.image.value
            ),
            None => format!("plugin {name}"),
        },
        Backend::Service { name, port } => format!("callout {name}:{port}"),
        Backend::GoogleApi { name } => format!("Google API {name}"),
        Backend::Other { kind, name } => format!("{kind} {name}"),
        Backend::Missing => "nothing".to_owned(),
    };
    let events: Vec<&str> = extension
        .events
        .iter()
        .flatten()
        .map(|event| event.as_str())
        .collect();
    let events = if events.is_empty() {
        String::new()
    } else {
        format!(" on {}", events.join(", "))
    };
    format!("{name}: {target}{events}")
}
