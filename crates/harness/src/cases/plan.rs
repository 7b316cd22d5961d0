//! How a case is run beyond what it sends: whose turn it is, what is not varied, what it may cost.

use crate::model::{Budget, Turns, Variation};
use crate::place::{Wrong, unknown};
use crate::yaml::{Kind, Node};

/// Whose turn it is: `true` for one event each in rotation, or the exchanges by number.
pub(super) fn turns(node: &Node, exchanges: usize) -> Result<Option<Turns>, Wrong> {
    let turns = match &node.kind {
        Kind::Bool { value: false, .. } => return Ok(None),
        Kind::Bool { value: true, .. } => Turns::default(),
        Kind::List(list) => {
            let places = list.iter().map(|node| match node.size()? {
                number if (1..=exchanges).contains(&number) => Ok(number - 1),
                number => Err(Wrong::new(
                    node.place,
                    format!("there is no exchange {number}; they count from 1 to {exchanges}"),
                )),
            });
            Turns(places.collect::<Result<_, _>>()?)
        }
        _ => return Err(node.not("`true`, or a list of the numbers of exchanges")),
    };
    if exchanges < 2 {
        return Err(
            Wrong::new(node.place, "one exchange has nobody to take turns with")
                .help("list two or more under `exchanges`"),
        );
    }
    Ok(Some(turns))
}

/// What `gatewright test --explore` leaves out, each with the reason.
pub(super) fn unexplored(
    node: &Node,
    unexplored: &mut Vec<(Variation, String)>,
) -> Result<(), Wrong> {
    let Kind::Map(entries) = &node.kind else {
        return Err(node.not("a mapping of what is left out to the reason"));
    };
    for (key, reason) in entries {
        let known = Variation::ALL
            .iter()
            .find(|variation| variation.name() == key.name);
        let Some(variation) = known else {
            let known: Vec<_> = Variation::ALL.iter().map(|known| known.name()).collect();
            return Err(unknown(key.place, "variation", &key.name, &known));
        };
        let reason = reason.text()?.trim();
        if reason.is_empty() {
            return Err(Wrong::new(key.place, "leaving this out needs a reason"));
        }
        unexplored.retain(|(other, _)| other != variation);
        unexplored.push((*variation, reason.to_owned()));
    }
    Ok(())
}

/// What an exchange may cost.
pub(super) fn budget(node: &Node, budget: &mut Budget) -> Result<(), Wrong> {
    let fields = node.fields(&["fuel", "share", "memory"])?;
    if let Some(fuel) = fields.read("fuel", Node::number)? {
        budget.fuel = Some(fuel);
    }
    if let Some(memory) = fields.read("memory", Node::number)? {
        budget.memory = Some(memory);
    }
    if let Some(node) = fields.get("share") {
        let share = match &node.kind {
            Kind::Number { json, .. } => json.as_f64().filter(|share| *share > 0.0),
            _ => None,
        };
        budget.share = Some(share.ok_or_else(|| node.not("a percentage above 0"))?);
    }
    Ok(())
}
