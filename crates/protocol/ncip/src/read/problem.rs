//! Refusals in every form: `Problem` of NCIP 2, and the messaging and processing errors of NCIP 1, in a `Problem` or, as
//! some responders send them, right below the response.

use super::tree::Element;
use crate::{Problem, Problems, Text};

/// The errors of NCIP 1: the element, and the names of its type, its element and its value.
const ERRORS: [(&str, &str, &str, &str); 2] = [
    ("ProcessingError", "ProcessingErrorType", "ProcessingErrorElement", "ProcessingErrorValue"),
    ("MessagingError", "MessagingErrorType", "MessagingErrorElement", "MessagingErrorValue"),
];

/// The problems right below an element, or `None` where there are none.
pub(super) fn problems(parent: &Element<'_>) -> Option<Problems> {
    let mut all = Vec::new();
    for child in &parent.children {
        match child.name {
            "Problem" => {
                let before = all.len();
                all.extend(child.children.iter().filter_map(error));
                // An NCIP 2 problem, or one with nothing in it: still a refusal.
                if all.len() == before {
                    all.push(problem(child));
                }
            }
            _ => all.extend(error(child)),
        }
    }
    let mut all = all.into_iter();
    let first = all.next()?;
    Some(Problems { first, rest: all.collect() })
}

fn problem(element: &Element<'_>) -> Problem {
    Problem {
        kind: element.text_of("ProblemType").unwrap_or_default(),
        detail: element.text_of("ProblemDetail"),
        element: element.text_of("ProblemElement"),
        value: element.text_of("ProblemValue"),
    }
}

/// An error of NCIP 1. Its element is named by nesting, which becomes a path.
fn error(element: &Element<'_>) -> Option<Problem> {
    let &(_, kind, place, value) = ERRORS.iter().find(|(name, ..)| *name == element.name)?;
    let mut path = Vec::new();
    let mut at = element.child(place);
    let mut refused = None;
    while let Some(here) = at {
        path.extend(here.code_of("ElementName").map(str::to_owned));
        refused = here.text_of(value).or(refused);
        at = here.child(place);
    }
    Some(Problem {
        kind: element.text_of(kind).unwrap_or_default(),
        detail: None,
        element: Some(path.join("/")).filter(|path| !path.is_empty()).map(Text::new),
        value: refused,
    })
}
