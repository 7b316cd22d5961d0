//! What calls cost: in words, and as a part of the budget.

use crate::html::Html;
use crate::model::Cost;
use crate::text::grouped;

/// What a cost is made of, in words.
pub(super) fn costs(cost: &Cost) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(time) = cost.time_ns {
        words.push(time_in_words(time));
    }
    if let Some(cpu) = cost.cpu_ns {
        words.push(format!("{} CPU", time_in_words(cpu)));
    }
    if cost.fuel > 0 && cost.cpu_ns.is_none() {
        words.push(format!("fuel {}", grouped(cost.fuel)));
    }
    match cost.hostcalls {
        0 => {}
        1 => words.push("1 hostcall".to_owned()),
        count => words.push(format!("{count} hostcalls")),
    }
    if cost.memory_growth > 0 {
        words.push(format!("+{} KiB", grouped(cost.memory_growth / 1024)));
    }
    words
}

/// A time in words, in the unit that suits it.
pub(crate) fn time_in_words(nanoseconds: u64) -> String {
    let number = nanoseconds as f64;
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => format!("{:.1} µs", number / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", number / 1e6),
        _ => format!("{:.2} s", number / 1e9),
    }
}

/// The part of a budget, as a bar and in words. A style attribute would need a weaker policy.
pub(super) fn share(html: &mut Html, cost: &Cost, of: &str) {
    let Some(share) = cost.share.filter(|share| *share > 0.0) else {
        return;
    };
    let percent = share * 100.0;
    let words = if percent < 0.1 {
        "under 0.1 %".to_owned()
    } else {
        format!("{percent:.1} %")
    };
    let class = if share > 1.0 {
        "bar bar-over"
    } else if share > 0.5 {
        "bar bar-high"
    } else {
        "bar"
    };
    html.raw(" <span class=\"share\"><svg class=\"")
        .raw(class)
        .raw("\" viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect width=\"")
        .raw(&format!("{:.1}", percent.clamp(1.0, 100.0)))
        .raw("\" height=\"6\"/></svg>")
        .text(&words)
        .raw(" ")
        .text(of)
        .raw("</span>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_unit_that_suits_them() {
        let check = |nanoseconds, text| assert_eq!(time_in_words(nanoseconds), text);
        check(0, "0 ns");
        check(999, "999 ns");
        check(4_249, "4.2 µs");
        check(1_500_000, "1.5 ms");
        check(61_250_000_000, "61.25 s");
    }
}
