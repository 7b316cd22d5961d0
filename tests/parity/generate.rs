//! Generated cases: scripts for a guest, each with exchanges of many shapes. The same seed gives the
//! same cases everywhere.

use std::path::Path;

use gatewright_harness::{Case, FailurePolicy, load_text};

use super::dice::Dice;
use super::exchanges::exchange;
use super::scripts::{Family, script};

/// The seed of the suite.
pub const SEED: u64 = 0x6761_7465_7772_6967;

/// A generated case.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The case.
    pub case: Case,
    /// What happens when the plugin fails.
    pub policy: FailurePolicy,
}

/// So many generated exchanges, or a few more, in cases of their own.
pub fn generate(seed: u64, exchanges: usize) -> Vec<Generated> {
    let mut dice = Dice::new(seed);
    let blank = blank();
    let families: Vec<_> = Family::ALL
        .into_iter()
        .flat_map(|family| std::iter::repeat_n(family, family.weight()))
        .collect();
    let mut cases = Vec::new();
    let mut count = 0;
    while count < exchanges {
        let family = families[cases.len() % families.len()];
        let (script, policy) = script(family, &mut dice);
        let exchanges: Vec<_> = (0..family.exchanges(policy))
            .map(|_| exchange(&mut dice, family == Family::EditHeaders))
            .collect();
        count += exchanges.len();
        cases.push(Generated {
            case: Case {
                name: format!("{family:?} {}", cases.len()),
                config: Some(script.into_bytes().into()),
                exchanges,
                ..blank.clone()
            },
            policy,
        });
    }
    cases
}

/// What generated cases begin with: services that scripts call, and nothing that is not logged.
const BLANK: &str = r#"
cases:
  - name: blank
    profile: envoy
    log_level: trace
    upstreams:
      plain:
        - {status: 200, headers: ["x-s: 1", "x-s: 2"], body: allowed}
      trailing:
        - {status: 403, headers: ["x-s: "], body: "no", trailers: ["x-end: 1"]}
      gone:
        - {fails: true}
    request: {}
"#;

#[expect(
    clippy::expect_used,
    reason = "a test without its input has nothing to test"
)]
fn blank() -> Case {
    let suite = load_text(BLANK, Path::new("blank.yaml")).expect("a case");
    suite.cases.into_iter().next().expect("the one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_cases() {
        let [a, b, c] = [(1, 50), (1, 50), (2, 50)].map(|(seed, count)| generate(seed, count));
        let text = |cases: &[Generated]| format!("{cases:?}");
        assert_eq!(text(&a), text(&b));
        assert_ne!(text(&a), text(&c));
        assert!(
            a.iter()
                .map(|generated| generated.case.exchanges.len())
                .sum::<usize>()
                >= 50
        );
    }
}
