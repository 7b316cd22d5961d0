//! Plots as SVG: bars for the rows, lines for how each side grows. Legible on light and dark pages.

use std::fmt::Write as _;

use crate::growth::Series;
use crate::rows::Row;
use crate::side::Side;

/// The colours of the two sides.
const COLOURS: [&str; 2] = ["#2f7d6b", "#b0631f"];
const STYLE: &str = "<style>text{font:13px sans-serif;fill:#333}.s{fill:#777;font-size:11px}\
    line,polyline{stroke-width:2;fill:none}.a{stroke:#999;stroke-width:1}\
    @media(prefers-color-scheme:dark){text{fill:#ddd}.s{fill:#999}}</style>";

/// Requests a second of each row, both sides beside each other, with the spread of the rounds.
pub(crate) fn rates(rows: &[Row]) -> String {
    const LEFT: f64 = 130.0;
    const WIDTH: f64 = 560.0;
    let most = rows
        .iter()
        .flat_map(|row| Side::BOTH.map(|side| row.spread(side, |round| round.seen.rate).1))
        .fold(1.0, f64::max);
    let height = 40.0 + 44.0 * rows.len() as f64;
    let mut svg = open(LEFT + WIDTH + 80.0, height, "Requests a second");
    legend(&mut svg, LEFT);
    for (index, row) in rows.iter().enumerate() {
        let top = 34.0 + 44.0 * index as f64;
        let _ = write!(
            svg,
            r#"<text x="0" y="{:.0}">{}</text>"#,
            top + 20.0,
            row.name
        );
        for side in Side::BOTH {
            let rate = row.of(side, |round| round.seen.rate);
            let (low, high) = row.spread(side, |round| round.seen.rate);
            let y = top + 17.0 * (side as usize) as f64;
            let x = |rate: f64| LEFT + WIDTH * rate / most;
            let _ = write!(
                svg,
                r#"<rect x="{LEFT}" y="{y}" width="{:.1}" height="14" fill="{}"/><line class="a" x1="{:.1}" x2="{:.1}" y1="{m}" y2="{m}"/><text class="s" x="{:.1}" y="{:.0}">{rate:.0}</text>"#,
                x(rate) - LEFT,
                COLOURS[side as usize],
                x(low),
                x(high),
                x(high) + 5.0,
                y + 11.0,
                m = y + 7.0,
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// CPU for a request against how many there are of something, the first at the left.
pub(crate) fn growth(series: &Series) -> String {
    const LEFT: f64 = 50.0;
    const WIDTH: f64 = 360.0;
    const HEIGHT: f64 = 160.0;
    let most = series
        .points
        .iter()
        .flat_map(|point| point.cpu)
        .fold(1.0, f64::max);
    let title = format!("Microseconds of CPU a request, by {}", series.what);
    let mut svg = open(LEFT + WIDTH + 60.0, HEIGHT + 80.0, &title);
    legend(&mut svg, LEFT);
    let last = series.points.len().saturating_sub(1).max(1) as f64;
    let x = |index: usize| LEFT + WIDTH * index as f64 / last;
    let y = |cpu: f64| 40.0 + HEIGHT * (1.0 - cpu / most);
    let floor = y(0.0);
    let _ = write!(
        svg,
        r#"<line class="a" x1="{LEFT}" x2="{:.0}" y1="{floor:.0}" y2="{floor:.0}"/><text class="s" x="10" y="{:.0}">{most:.0}</text><text class="s" x="10" y="{floor:.0}">0</text>"#,
        LEFT + WIDTH,
        y(most) + 4.0,
    );
    for (index, point) in series.points.iter().enumerate() {
        let _ = write!(
            svg,
            r#"<text class="s" x="{:.0}" y="{:.0}" text-anchor="middle">{}</text>"#,
            x(index),
            floor + 18.0,
            point.count
        );
    }
    for side in Side::BOTH {
        let points = series.points.iter().enumerate();
        let points: Vec<String> = points
            .map(|(index, point)| format!("{:.1},{:.1}", x(index), y(point.cpu[side as usize])))
            .collect();
        let colour = COLOURS[side as usize];
        let _ = write!(
            svg,
            r#"<polyline stroke="{colour}" points="{}"/>"#,
            points.join(" ")
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn open(width: f64, height: f64, title: &str) -> String {
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" role="img"><title>{title}</title>{STYLE}"#
    )
}

fn legend(svg: &mut String, left: f64) {
    for side in Side::BOTH {
        let x = left + 110.0 * (side as usize) as f64;
        let _ = write!(
            svg,
            r#"<rect x="{x}" y="6" width="12" height="12" fill="{}"/><text x="{}" y="17">{}</text>"#,
            COLOURS[side as usize],
            x + 18.0,
            side.name()
        );
    }
}
