//! What is served, as a picture: Gateway, route, chain, extension, backend.

use serde::{Deserialize, Serialize};

use crate::html::Html;

/// Where a node stands, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    /// A port of a Gateway.
    Gateway,
    /// A rule of an HTTPRoute.
    Route,
    /// A chain of an extension resource.
    Chain,
    /// An extension of a chain.
    Extension,
    /// A Service.
    Backend,
}

impl Column {
    /// Every column.
    pub const ALL: [Self; 5] = [
        Self::Gateway,
        Self::Route,
        Self::Chain,
        Self::Extension,
        Self::Backend,
    ];

    const fn title(self) -> &'static str {
        match self {
            Self::Gateway => "Gateway",
            Self::Route => "Route",
            Self::Chain => "Chain",
            Self::Extension => "Extension",
            Self::Backend => "Backend",
        }
    }
}

/// Something that is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Where it stands.
    pub column: Column,
    /// Its name.
    pub name: String,
    /// What it is or where it leads.
    pub detail: String,
    /// What keeps it from working, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
}

/// A condition of an object, as its status has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds.
    pub status: bool,
    /// Why.
    pub reason: String,
    /// In words.
    pub message: String,
}

/// An object and its conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Its kind.
    pub kind: String,
    /// Its name, with its namespace.
    pub name: String,
    /// The Gateway that the conditions are about.
    pub gateway: String,
    /// Its conditions.
    pub conditions: Vec<Condition>,
}

/// What is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Its nodes; those of one column stand below each other in this order.
    pub nodes: Vec<Node>,
    /// Which node leads to which, by their places.
    pub edges: Vec<(usize, usize)>,
    /// Objects and their conditions.
    pub objects: Vec<Object>,
}

/// Measures of the drawing, in its own units, which are pixels where it is not scaled.
const WIDTH: usize = 196;
const HEIGHT: usize = 54;
const GAP: usize = 52;
const ROW: usize = 14;
const TOP: usize = 30;
/// Nodes of a column that are drawn.
const MOST: usize = 60;

/// The picture as a piece of HTML: a drawing, and a table of conditions.
pub fn picture(picture: &Picture) -> String {
    let mut html = Html::new();
    if picture.nodes.is_empty() {
        html.element("p", "note", "no Gateway is served");
    } else {
        drawing(&mut html, picture);
    }
    table(&mut html, &picture.objects);
    html.finish()
}

/// Where a node is drawn.
#[derive(Clone, Copy)]
struct At {
    x: usize,
    y: usize,
}

fn drawing(html: &mut Html, picture: &Picture) {
    let mut rows = [0; Column::ALL.len()];
    let places: Vec<Option<At>> = picture
        .nodes
        .iter()
        .map(|node| {
            let column = node.column as usize;
            let row = rows[column];
            rows[column] += 1;
            (row < MOST).then(|| At {
                x: column * (WIDTH + GAP),
                y: TOP + row * (HEIGHT + ROW),
            })
        })
        .collect();
    let tallest = rows.iter().copied().max().unwrap_or(0).min(MOST);
    let (width, height) = (
        Column::ALL.len() * (WIDTH + GAP) - GAP,
        TOP + tallest * (HEIGHT + ROW),
    );
    html.raw("<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"What is served\">")
        .raw(&format!(
            "<svg class=\"picture\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">"
        ));
    for column in Column::ALL {
        html.raw(&format!(
            "<text class=\"column\" x=\"{}\" y=\"16\">{}</text>",
            column as usize * (WIDTH + GAP),
            column.title()
        ));
    }
    for (from, to) in &picture.edges {
        let ends = (
            places.get(*from).copied().flatten(),
            places.get(*to).copied().flatten(),
        );
        if let (Some(from), Some(to)) = ends {
            edge(html, from, to);
        }
    }
    for (node, at) in picture.nodes.iter().zip(&places) {
        if let Some(at) = at {
            boxed(html, node, *at);
        }
    }
    html.raw("</svg></div>");
    let hidden: usize = rows.iter().map(|count| count.saturating_sub(MOST)).sum();
    if hidden > 0 {
        html.element("p", "note", &format!("{hidden} more are not drawn"));
    }
}

fn edge(html: &mut Html, from: At, to: At) {
    let (y1, y2) = (from.y + HEIGHT / 2, to.y + HEIGHT / 2);
    if from.x == to.x {
        // To the next extension of the same chain.
        let x = from.x + WIDTH / 2;
        html.raw(&format!(
            "<path class=\"edge\" d=\"M{x} {} L{x} {}\"/>",
            from.y + HEIGHT,
            to.y
        ));
        return;
    }
    let bend = GAP / 2;
    if to.x < from.x {
        // Back to a column on the left: a routing extension comes before the routes.
        html.raw(&format!(
            "<path class=\"edge edge-back\" d=\"M{} {y1} C{} {y1} {} {y2} {} {y2}\"/>",
            from.x,
            from.x.saturating_sub(bend),
            to.x + WIDTH + bend,
            to.x + WIDTH
        ));
        return;
    }
    let (x1, x2) = (from.x + WIDTH, to.x);
    html.raw(&format!(
        "<path class=\"edge\" d=\"M{x1} {y1} C{} {y1} {} {y2} {x2} {y2}\"/>",
        x1 + bend,
        x2.saturating_sub(bend)
    ));
}

fn boxed(html: &mut Html, node: &Node, at: At) {
    let class = match (&node.problem, node.column) {
        (Some(_), _) => "node node-bad",
        (None, Column::Extension | Column::Chain) => "node node-extension",
        (None, _) => "node",
    };
    html.raw(&format!(
        "<foreignObject x=\"{}\" y=\"{}\" width=\"{WIDTH}\" height=\"{HEIGHT}\">",
        at.x, at.y
    ));
    html.raw("<div class=\"")
        .raw(class)
        .raw("\" title=\"")
        .text(&node.name)
        .raw(" ")
        .text(&node.detail);
    if let Some(problem) = &node.problem {
        html.raw(": ").text(problem);
    }
    html.raw("\">").element("b", "", &node.name);
    match &node.problem {
        Some(problem) => html.element("span", "", &format!("⚠ {problem}")),
        None => html.element("span", "", &node.detail),
    };
    html.raw("</div></foreignObject>");
}

fn table(html: &mut Html, objects: &[Object]) {
    if objects.is_empty() {
        return;
    }
    let bad = objects
        .iter()
        .filter(|object| object.conditions.iter().any(|c| !c.status))
        .count();
    html.raw(if bad > 0 {
        "<details class=\"conditions\" open><summary>"
    } else {
        "<details class=\"conditions\"><summary>"
    });
    html.text(&format!("Conditions of {} objects", objects.len()));
    if bad > 0 {
        html.raw(" ")
            .element("span", "badge badge-bad", &format!("{bad} not in order"));
    }
    html.raw(
        "</summary><table class=\"fields conditions\"><thead><tr><th scope=\"col\">Object</th>\
         <th scope=\"col\">Gateway</th><th scope=\"col\">Conditions</th></tr></thead><tbody>",
    );
    for object in objects {
        html.raw("<tr><th scope=\"row\">")
            .element("span", "quiet", &object.kind)
            .raw(" ")
            .text(&object.name)
            .raw("</th><td>")
            .text(&object.gateway)
            .raw("</td><td>");
        for condition in &object.conditions {
            let (class, sign) = match condition.status {
                true => ("badge badge-added", "✓"),
                false => ("badge badge-bad", "✗"),
            };
            html.raw("<div>")
                .element("span", class, &format!("{sign} {}", condition.kind));
            if !condition.status || condition.reason != condition.kind {
                html.raw(" ").element("code", "", &condition.reason);
            }
            if !condition.status {
                html.raw(" ").text(&condition.message);
            }
            html.raw("</div>");
        }
        html.raw("</td></tr>");
    }
    html.raw("</tbody></table></details>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(column: Column, name: &str) -> Node {
        Node {
            column,
            name: name.to_owned(),
            detail: String::new(),
            problem: None,
        }
    }

    #[test]
    fn names_from_manifests_are_text() {
        let hostile = "<script>alert(1)</script>\"'";
        let mut bad = node(Column::Extension, hostile);
        bad.problem = Some(hostile.to_owned());
        let html = picture(&Picture {
            nodes: vec![node(Column::Gateway, hostile), bad],
            edges: vec![(0, 1), (7, 0)],
            objects: vec![Object {
                kind: hostile.to_owned(),
                name: hostile.to_owned(),
                gateway: hostile.to_owned(),
                conditions: vec![Condition {
                    kind: hostile.to_owned(),
                    status: false,
                    reason: hostile.to_owned(),
                    message: hostile.to_owned(),
                }],
            }],
        });
        assert!(!html.contains("<script"));
        assert_eq!(html.matches("<path").count(), 1);
    }

    #[test]
    fn a_column_that_is_too_long_says_so() {
        let nodes = vec![node(Column::Route, "r"); MOST + 3];
        let html = picture(&Picture {
            nodes,
            ..Picture::default()
        });
        assert_eq!(html.matches("<foreignObject").count(), MOST);
        assert!(html.contains("3 more are not drawn"));
    }
}
