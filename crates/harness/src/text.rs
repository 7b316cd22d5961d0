//! Bytes and numbers as text for people, the same on the terminal and on pages.

pub(crate) use gatewright_view::{bytes, grouped, shortened, shown, shown_lines};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let check = |number, text| assert_eq!(grouped(number), text);
        check(0, "0");
        check(999, "999");
        check(1_000, "1,000");
        check(12_345_678, "12,345,678");
    }
}
