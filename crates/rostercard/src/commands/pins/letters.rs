//! Letters to print, a page a student. There is one for everybody of the school who is in the programme, all of one shape:
//! whoever hands them out, or misses one, learns nothing about who had a card before.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Recipient;

/// Folded once, with the name outside and the number inside.
const STYLE: &str = "
@page { size: letter; margin: 20mm }
body { font: 12pt/1.4 sans-serif; margin: 0 }
section { height: 235mm; break-after: page; display: flex; flex-direction: column }
section:last-child { break-after: auto }
.outside { height: 95mm; border-bottom: 1px dashed #666 }
.inside { padding-top: 10mm }
dl { display: grid; grid-template-columns: 40mm auto; gap: 4mm }
dt { font-weight: bold } dd { margin: 0; font: 14pt monospace }
p, dd { min-height: 1.4em }
";

/// The letters of a school as one HTML page, with nothing that has to be fetched.
pub(crate) fn page(library: &str, school: &str, people: &[Recipient]) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (library) ": library cards, " (school) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                @for one in people { (letter(library, school, one)) }
            }
        }
    }
    .into_string()
}

fn letter(library: &str, school: &str, one: &Recipient) -> Markup {
    let (number, pin) = match &one.card {
        Some((barcode, pin)) => (barcode.reveal(), pin.reveal()),
        None => ("as on your card", "ask us"),
    };
    html! {
        section {
            div.outside {
                p { (library) }
                p { strong { (one.given_name.reveal()) " " (one.family_name.reveal()) } }
                p { (school) @if !one.grade.is_empty() { ", grade " (one.grade) } }
            }
            div.inside {
                h1 { "Your library card" }
                dl {
                    dt { "Number" } dd { (number) }
                    dt { "PIN" } dd { (pin) }
                }
                p {
                    "With number and PIN you can use the library, also from home. Keep the PIN to yourself. If you do "
                    "not know your number or your PIN, ask at the library: we will help you, also with a card that you had before."
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rostercard_core::privacy::{Personal, Secret};

    use super::*;

    fn recipient(name: &str, card: Option<(&str, &str)>) -> Recipient {
        Recipient {
            student_id: Personal::new("0042"),
            given_name: Personal::new(name),
            family_name: Personal::new("O'Hara"),
            grade: "06".to_owned(),
            school: ("1".to_owned(), "Oak".to_owned()),
            card: card.map(|(number, pin)| (Personal::new(number), Secret::new(pin))),
        }
    }

    #[test]
    fn s21_all_letters_have_one_shape_and_nothing_is_fetched() {
        let with = page("Oak Library", "Oak", &[recipient("Ann", Some(("77000042", "4711")))]);
        let without = page("Oak Library", "Oak", &[recipient("Ann", None)]);
        assert!(with.contains("77000042") && with.contains("4711"));
        let shape = |page: &str| page.matches(['<']).count();
        assert_eq!(shape(&with), shape(&without));
        assert_eq!(with.replace("77000042", "as on your card").replace("4711", "ask us"), without);
        assert!(!with.contains("http") && !with.contains("src=") && !with.contains("url("));
    }

    #[test]
    fn names_are_text() {
        let page = page("<b>", "Oak", &[recipient("<script>alert(1)</script>", None)]);
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>") && !page.contains("<b>"));
    }
}
